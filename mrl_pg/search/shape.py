"""The shape of a search: all of it but the query and the values of its filter."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

from mrl_pg.catalog.facts import Facts
from mrl_pg.layout import IndexLayout

Scan: TypeAlias = Literal["single", "iterative", "exact"]
"""Index scan that stops at ef_search, one that goes on until it has enough, or none."""


@dataclass(frozen=True, slots=True)
class Effort:
    """How many rows each pass hands on, and how widely the index is searched.

    `candidates` and `ef_search` are None for an exact search. `least_scan_tuples`
    and `scan_memory` only raise the session's own `hnsw.max_scan_tuples` and
    `hnsw.scan_mem_multiplier`; `max_scan_tuples` replaces it. With a `recall` the
    statement reads the calibration itself, and `candidates` is the most it may say.
    """

    k: int
    candidates: int | None
    ef_search: int | None
    scan: Scan
    max_scan_tuples: int | None
    least_scan_tuples: int
    scan_memory: int
    recall: float | None = None


@dataclass(frozen=True, slots=True)
class Session:
    """What of a connection decides the text of a statement.

    `encoding` is what text is sent in, as Python calls it. `losses` counts how often
    the server did not know a statement that had been prepared, or knew another one of
    its name: the text, and so the name, is another one after each.
    """

    encoding: str = "utf-8"
    losses: int = 0


@dataclass(frozen=True, slots=True)
class Shape:
    """What decides the text of a statement; equal shapes share one.

    `named` says how the values of `filter` are written: `%(name)s` or `%s`.
    """

    layout: IndexLayout
    facts: Facts
    effort: Effort
    columns: tuple[str, ...]
    filter: str | None
    named: bool
    session: Session = Session()
