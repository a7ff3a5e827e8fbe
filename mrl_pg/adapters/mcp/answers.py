"""What the tools return: small, and without vectors.

The classes of whole answers have no slots, because the SDK reads defaults from a class.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

NUMBERS = re.compile(r"\[-?\d[^,\]]*(?:,-?\d[^,\]]*)*\]|\{[\d:.,eE+-]*\}/\d+")
BITS = re.compile("[01]{32,}")
"""How PostgreSQL writes a vector, a sparse vector, and a vector of bits."""

MOST_NUMBERS = 16
"""A longer list of numbers is taken for a vector."""


@dataclass(frozen=True, slots=True)
class Row:
    """A found row: its primary key, its distance, and the columns that were asked."""

    key: Any
    distance: float
    columns: dict[str, Any]


@dataclass(frozen=True)
class SearchAnswer:
    """Rows, nearest first. `note` says what the reader of the rows should know.

    `index` is the index that answered; none for an exact search.
    """

    rows: list[Row]
    index: str | None = None
    promise: str | None = None
    note: str | None = None


@dataclass(frozen=True, slots=True)
class ShortColumn:
    """A short column: its table, the full column, the index, and what can be shown."""

    table: str
    column: str
    full_dims: int | None
    dims: int
    kind: str
    distance: str
    index: str
    usable: bool
    in_use: bool
    kept_as: str
    index_mb: float | None
    rows: int | None
    model: str | None
    columns_to_show: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Indexes:
    """The short columns of a database."""

    indexes: list[ShortColumn]


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with a short column, and the remedy."""

    code: str
    detail: str
    remedy: str


@dataclass(frozen=True, slots=True)
class State:
    """A short column and its problems; without problems it is `ok`."""

    table: str
    column: str | None
    index: str | None
    usable: bool
    ok: bool
    problems: list[Problem]


@dataclass(frozen=True)
class States:
    """The short columns and what is wrong with them."""

    states: list[State]


@dataclass(frozen=True)
class RecallAnswer:
    """Mean recall over `queries`, its 95 % interval, and what lost the rest.

    No `index` and no queries for an exact search, which finds everything.
    """

    index: str | None
    k: int
    candidates: int | None
    ef_search: int | None
    recall: float | None
    low: float | None
    high: float | None
    lost_by_graph: float | None
    lost_by_too_few_candidates: float | None
    queries: int
    promise: str | None = None


@dataclass(frozen=True, slots=True)
class Predicted:
    """A size and kind, the candidates that it needs, and what it costs."""

    name: str
    candidates: int | None
    index_mb: float
    build_seconds: float


@dataclass(frozen=True)
class TuneAnswer:
    """What is recommended for a table, why, and the commands that a person may run.

    Nothing was built, so all of it is predicted.
    """

    recommended: str | None
    worth_it: bool
    candidates: int | None
    ef_search: int | None
    reasons: list[str]
    against: list[str]
    warnings: list[str]
    options: list[Predicted]
    commands: list[str]


def rounded(number: float | None) -> float | None:
    """Four digits, because a model reads no more of them."""
    return None if number is None else float(f"{number:.4g}")


def megabytes(number: float | None) -> float | None:
    """Bytes as MB."""
    return None if number is None else rounded(number / 1e6)


def small(value: Any, longest: int) -> Any:
    """A value of a column as JSON has it: no vector, and no text above `longest`."""
    if value is None or isinstance(value, (bool, int)):
        return value
    if isinstance(value, float):
        return rounded(value)
    if isinstance(value, (bytes, bytearray, memoryview)):
        return f"({len(value):,} bytes)"
    if isinstance(value, (list, tuple)):
        numbers = [each for each in value if isinstance(each, (int, float))]
        if len(numbers) == len(value) > MOST_NUMBERS:
            return f"(a vector of {len(value):,} numbers)"
        return _cut_json([small(each, longest) for each in value], longest)
    if isinstance(value, Mapping):
        whole = {str(name): small(each, longest) for name, each in value.items()}
        return _cut_json(whole, longest)
    text = str(value)
    if NUMBERS.fullmatch(text):
        return f"(a vector of {text.count(',') + 1:,} numbers)"
    if BITS.fullmatch(text):
        return f"(a vector of {len(text):,} bits)"
    return cut(text, longest)


def cut(text: str, longest: int) -> str:
    """A text, or its beginning and a mark that says how much is left out."""
    rest = len(text) - longest
    return text if rest <= 0 else f"{text[:longest]}… (cut: {rest:,} characters more)"


def _cut_json(value: Any, longest: int) -> Any:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return value if len(text) <= 2 * longest else cut(text, longest)
