"""The shape of a search: all of it but the query and the values of its filter."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

from mrl_pg.facts import Facts
from mrl_pg.layout import IndexLayout

Scan: TypeAlias = Literal["single", "iterative", "exact"]
"""Index scan that stops at ef_search, one that goes on until it has enough, or none."""


@dataclass(frozen=True, slots=True)
class Shape:
    """What decides the text of a statement; equal shapes share one.

    `least_scan_tuples` and `scan_memory` only raise the session's own
    `hnsw.max_scan_tuples` and `hnsw.scan_mem_multiplier`; `max_scan_tuples`
    replaces it. `named` says how the values of `where` are written: `%(name)s`
    or `%s`.
    """

    layout: IndexLayout
    facts: Facts
    k: int
    candidates: int | None
    ef_search: int | None
    scan: Scan
    max_scan_tuples: int | None
    least_scan_tuples: int
    scan_memory: int
    columns: tuple[str, ...]
    where: str | None
    named: bool
