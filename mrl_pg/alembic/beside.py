"""Whether a new index can stand beside the old ones, and under which name."""

from collections.abc import Iterable
from dataclasses import replace

from mrl_pg.index import MatryoshkaIndex
from mrl_pg.layout import fit


def column_of(index: MatryoshkaIndex) -> tuple[str, str, int, str]:
    """What identifies the short column, without its index."""
    keep = index.keep or "generated"
    short = "" if keep == "expression" else index.short
    return keep, short, index.dims, index.kind


def same_name_of_column(index: MatryoshkaIndex, other: MatryoshkaIndex) -> bool:
    """Whether both need a column of one name, but not the same column."""
    return (
        "expression" not in (index.keep, other.keep)
        and index.short == other.short
        and column_of(index) != column_of(other)
    )


def names_beside(index: MatryoshkaIndex) -> dict[str, str]:
    """Names of an index while an old index has its own, by what differs."""
    return {
        "graph": fit(index.name, f"_m{index.m}_ef{index.ef_construction}"),
        "keep": fit(index.name, f"_{index.keep or 'generated'}"),
    }


def named_beside(
    index: MatryoshkaIndex, others: Iterable[MatryoshkaIndex]
) -> MatryoshkaIndex | None:
    """The index under a name that no other has; None if there is no such name.

    Its own name, else one that says how it differs from the index of that name.
    """
    taken = {other.name: other for other in others}
    if index.name not in taken:
        return index
    differs = "graph" if column_of(index) == column_of(taken[index.name]) else "keep"
    name = names_beside(index)[differs]
    return None if name in taken else replace(index, name=name)
