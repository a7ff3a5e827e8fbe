"""The form of an index that a plan is for: its kind, dimensions, one pass or two."""

from collections.abc import Iterator
from dataclasses import dataclass

from mrl_pg import arguments
from mrl_pg.errors import InvalidSetting
from mrl_pg.kinds import KINDS, Kind
from mrl_pg.scale.measured import DIMS, Series

SHORT = 256
"""Dimensions of a prefix, unless the caller says otherwise."""

TWO_PASSES: dict[Kind, Series] = {
    "vector": "halfvec(256)",
    "halfvec": "halfvec(256)",
    "bit": "bit",
}
"""What was measured and is nearest to two passes over a kind."""

ONE_PASS: dict[Kind, Series] = {"vector": "single vector", "halfvec": "single halfvec"}
"""The same for one pass; bits have none, because they are not the full vectors."""

MEASURED: set[tuple[Kind, int]] = {
    ("bit", DIMS),
    ("halfvec", SHORT),
    ("halfvec", DIMS),
    ("vector", DIMS),
}
"""Kinds and dimensions that were measured, over full vectors of DIMS dimensions."""


@dataclass(frozen=True, slots=True)
class Form:
    """An index of `dims` dimensions over full vectors of `full_dims`."""

    kind: Kind
    dims: int
    full_dims: int

    @property
    def one_pass(self) -> bool:
        """Whether the index holds the full vectors themselves."""
        return self.kind in ONE_PASS and self.dims == self.full_dims

    @property
    def name(self) -> str:
        """`bit(1536)`, or `halfvec(1536), one pass`."""
        return f"{self.kind}({self.dims})" + ", one pass" * self.one_pass

    @property
    def series(self) -> Series:
        """What was measured and is nearest to this form."""
        return (ONE_PASS if self.one_pass else TWO_PASSES)[self.kind]

    @property
    def was_measured(self) -> bool:
        """Whether this very form was measured, on some number of rows."""
        return (self.kind, self.dims) in MEASURED and self.full_dims == DIMS

    @property
    def finds_less(self) -> bool:
        """Whether it has fewer dimensions than the nearest form that was measured."""
        return self.dims < (SHORT if self.series == "halfvec(256)" else DIMS)


def form_of(kind: object, short: object, dims: int) -> Form:
    """The form of a kind, with as many dimensions as the caller wants, or as is usual.

    Raises InvalidSetting for an unknown kind, and for dimensions that no index of the
    kind takes.
    """
    arguments.check_choice("kind", kind, KINDS)
    known: Kind = kind  # type: ignore[assignment]
    usual = dims if KINDS[known].stored == "bits" else min(SHORT, dims)
    size = usual if short is None else arguments.whole("short", short)
    most = min(dims, KINDS[known].most_dims)
    if not 1 <= size <= dims:
        raise InvalidSetting(
            f"short={size} is not between 1 and the {dims} dimensions of the full "
            "vectors: pass fewer, or leave it out"
        )
    if size > most:
        raise InvalidSetting(
            f"short={size}: an HNSW index over {known} takes at most {most:,} "
            f"dimensions. Pass {_way_out(known, size)}"
        )
    return Form(known, size, dims)


def usual_forms(dims: int) -> Iterator[Form]:
    """The forms to compare: bits, a prefix, and one pass where an index takes it."""
    yield Form("bit", dims, dims)
    if dims > SHORT:
        yield Form("halfvec", SHORT, dims)
    if dims <= KINDS["halfvec"].most_dims:
        yield Form("halfvec", dims, dims)
    if dims <= KINDS["vector"].most_dims:
        yield Form("vector", dims, dims)


def _way_out(kind: Kind, dims: int) -> str:
    others = [
        other
        for other, facts in KINDS.items()
        if facts.most_dims >= dims and other != kind
    ]
    fewer = f"at most {KINDS[kind].most_dims:,}"
    return " or ".join([fewer, *(f"kind={other!r}" for other in others)])
