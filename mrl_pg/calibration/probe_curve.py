"""Measures what searches of few and many parts find, on the same queries."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from mrl_pg.arguments import check_callable, check_whole, listed, number
from mrl_pg.build.parts import sample_vectors
from mrl_pg.catalog.read import read_column_facts
from mrl_pg.errors import InvalidSetting
from mrl_pg.exchange import AnyConn, Exchange, look
from mrl_pg.exchange.progress import OnProgress, Progress
from mrl_pg.layout import ColumnLayout
from mrl_pg.recall.score import recall_at_k, summarise
from mrl_pg.search.find import find
from mrl_pg.search.options import MAX_ROWS, SearchOptions, check_count
from mrl_pg.search.probes import missing_parts
from mrl_pg.source import statement
from mrl_pg.vectors import VectorsLike


@dataclass(frozen=True, slots=True)
class ProbePoint:
    """Mean recall of searches with so many probes, with a 95 % interval."""

    probes: int
    recall: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class ProbeCurve:
    """What searches of few and many parts find; the points in order of probes.

    The truth is exact search of all parts. The last point is of a search of all parts,
    so what it misses, the index and its `candidates` miss. `rows` says whether rows of
    the table stood in for queries, which are easier to find.
    """

    table: str
    k: int
    candidates: int | None
    ef_search: int | None
    queries: int
    rows: bool
    points: tuple[ProbePoint, ...]

    def least(self, recall: float) -> int | None:
        """The fewest probes whose mean recall is as high; None if no point is."""
        wanted = number("recall", recall)
        return next((p.probes for p in self.points if p.recall >= wanted), None)

    def __str__(self) -> str:
        """A line for each point."""
        asked = "rows" if self.rows else "queries"
        head = f"{self.table}: k {self.k}, on {self.queries} {asked}"
        return "\n".join(
            [
                head,
                *(
                    f"{p.probes:>6} probes: recall {p.recall:.3f} "
                    f"({p.low:.3f} to {p.high:.3f})"
                    for p in self.points
                ),
            ]
        )


def probe_curve(
    conn: AnyConn,
    searched: ColumnLayout,
    *,
    probes: Iterable[int] | None,
    k: int,
    candidates: int | None,
    ef_search: int | None,
    sample: int,
    queries: "VectorsLike | None",
    progress: OnProgress | None,
) -> Exchange[ProbeCurve]:
    """Search for each query exactly, and with each number of probes."""
    check_callable("progress", progress)
    sample = check_whole("sample", sample, 1, MAX_ROWS, "a measurement")
    facts = yield from read_column_facts(searched)
    known = {"table_id": facts.table_id, "column": searched.column}
    with missing_parts():
        states = yield from look(statement("part_states").encode(), known)
    parts = max(state["part"] for state in states)
    wanted = _numbers(probes, parts)
    asked: list[Any]
    if queries is None:
        vectors = yield from sample_vectors(facts, searched, sample)
        rotation = facts.rotation
        asked = [*(vectors if rotation is None else rotation.undo(vectors))]
    else:
        asked = listed(queries)
    if not asked:
        raise InvalidSetting("queries has no query: give some, or leave it out")
    itself = int(queries is None)
    exact = SearchOptions(k=check_count("k", k) + itself, exact=True)
    options = replace(exact, exact=False, candidates=candidates, ef_search=ef_search)
    shares: dict[int, list[float]] = {each: [] for each in wanted}
    for done, query in enumerate(asked, 1):
        truth = yield from find(conn, searched, query, exact)
        near = np.array([hit.distance for hit in truth])
        for each in wanted:
            found = yield from find(
                conn, searched, query, replace(options, probes=each)
            )
            far = [hit.distance for hit in found]
            # the row itself is the first of both answers, if its part was read
            known_row = bool(itself and far and len(near) and far[0] <= near[0] + 1e-6)
            shares[each].append(recall_at_k(far[known_row:], near[itself:]))
        if progress is not None:
            progress(Progress("queries measured", done, len(asked)))
    points = [(each, summarise(found)) for each, found in shares.items()]
    return ProbeCurve(
        table=facts.where,
        k=k,
        candidates=candidates,
        ef_search=ef_search,
        queries=len(asked),
        rows=bool(itself),
        points=tuple(
            ProbePoint(each, found.mean, found.low, found.high)
            for each, found in points
        ),
    )


def _numbers(probes: Iterable[int] | None, parts: int) -> list[int]:
    """The numbers of probes in order: those given, or 1, 2, 4, …; and all parts."""
    if probes is None:
        given = [2**power for power in range(parts.bit_length())]
    else:
        given = [check_count("probes", each) for each in listed(probes)]
    return sorted({min(each, parts) for each in given} | {parts})
