"""The words of a search: what is asked, and how words rank rows."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, get_args

from mrl_pg import arguments
from mrl_pg.arguments import shown
from mrl_pg.errors import InvalidSetting

Match: TypeAlias = Literal["any", "all"]
"""How many of the words a row must have."""

LEAST_WEIGHT, MOST_WEIGHT = 1e-9, 1e9
"""Limits of a weight other than 0, far from those of double precision."""

MOST_CONSTANT = 1_000_000_000
"""The largest `rank_constant`."""

LEAST_FETCH = 50
"""Rows that each half ranks if k is small. docs/hybrid.md says what others take."""


@dataclass(frozen=True, slots=True)
class WordRanking:
    """How the words of a query rank rows, and how ranks of both halves are fused.

    `column` holds text or, if `is_vector`, values of type tsvector. `config` is the
    name of a text search configuration, behind its schema if that was given. `weights`
    are None if words alone rank the rows.
    """

    column: str
    is_vector: bool
    config: tuple[str, ...]
    match: Match
    weights: tuple[float, float] | None
    rank_constant: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WordOptions:
    """What a caller asks of the words, checked; `weights` are None for words alone.

    Raises InvalidSetting.
    """

    words: str
    text: str
    config: str = "english"
    match: Match = "any"
    weights: Iterable[float] | None = (1.0, 1.0)
    rank_constant: int = 60

    def __post_init__(self) -> None:
        """Check every field."""
        arguments.check_text("words", self.words)
        for field in ("text", "config"):
            arguments.check_text(field, getattr(self, field))
        arguments.check_choice("match", self.match, get_args(Match))
        taken: dict[str, Any] = {
            "weights": None if self.weights is None else _weights(self.weights),
            "rank_constant": arguments.check_whole(
                "rank_constant", self.rank_constant, 1, MOST_CONSTANT, "hybrid search"
            ),
        }
        for field, value in taken.items():
            object.__setattr__(self, field, value)

    @property
    def pair(self) -> tuple[float, float] | None:
        """The weights of the vectors and of the words."""
        if self.weights is None:
            return None
        vectors, words = self.weights
        return vectors, words


def _weights(given: Iterable[float]) -> tuple[float, float]:
    try:
        if isinstance(given, (str, bytes)):
            raise TypeError
        vectors, words = (arguments.number("weights", each) for each in given)
    except Exception as error:
        raise InvalidSetting(
            f"weights={shown(given)} are not two numbers: give that of the vectors and "
            "that of the words, such as (1.0, 0.5)"
        ) from error
    for weight in (vectors, words):
        if weight and not LEAST_WEIGHT <= weight <= MOST_WEIGHT:
            raise InvalidSetting(
                f"weights={shown(given)}: {weight} is neither 0 nor a number from "
                f"{LEAST_WEIGHT:g} to {MOST_WEIGHT:g}; only their ratio counts"
            )
    if not vectors and not words:
        raise InvalidSetting(
            f"weights={shown(given)} leave no half that counts: make one of them 1"
        )
    return vectors, words
