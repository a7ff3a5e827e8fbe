"""Has the server measure the recall of a search on demand, and reads what was kept."""

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from mrl_pg import arguments, source
from mrl_pg.calibration import measuring as sampling
from mrl_pg.calibration.measuring import Teller
from mrl_pg.catalog import read as catalog
from mrl_pg.catalog.facts import Facts
from mrl_pg.exchange import AsyncConn, Conn, cursors, run, run_async
from mrl_pg.layout import IndexLayout
from mrl_pg.search import plan
from mrl_pg.search.filter import written_out
from mrl_pg.search.plan import Options
from mrl_pg.search.promise import Promise
from mrl_pg.search.promised import read_promise


@dataclass(frozen=True, slots=True)
class RecallReport:
    """Mean recall of a search against exact search, its 95 % interval, its losses.

    `recall + loss_graph + loss_shortlist` is 1: what HNSW missed, and what more
    candidates would have brought. `loss_prefix` is what short vectors alone, never
    re-ranked, would lose. All None when nothing was there to be measured.
    """

    layout: IndexLayout
    k: int
    candidates: int
    ef_search: int
    filter: str
    recall: float | None
    low: float | None
    high: float | None
    loss_graph: float | None
    loss_shortlist: float | None
    loss_prefix: float | None
    queries: int
    measured_at: datetime
    promise: Promise | None = None

    def below(self, floor: float) -> bool:
        """Whether the mean is below a floor; nothing measured keeps none."""
        return self.recall is None or self.recall < arguments.number("floor", floor)

    def as_dict(self) -> dict[str, Any]:
        """The figures, as JSON takes them."""
        figures = asdict(self)
        del figures["layout"]
        figures["measured_at"] = self.measured_at.isoformat()
        return {"index": self.layout.name, **figures}

    def __str__(self) -> str:
        """What was measured, and where the rest was lost, in a sentence or two."""
        search = f"k={self.k}, {self.candidates} candidates, ef_search {self.ef_search}"
        search += f", where {self.filter}" if self.filter else ""
        if self.recall is None or self.low is None or self.high is None:
            return f"{self.layout}: no query had anything to be found ({search})"
        lost = (self.loss_graph or 0, self.loss_shortlist or 0, self.loss_prefix or 0)
        return (
            f"{self.layout}: recall {self.recall:.4f} ({self.low:.4f} to "
            f"{self.high:.4f}) on {self.queries} queries ({search}). The graph lost "
            f"{lost[0]:.4f}, too short a list {lost[1]:.4f}; without the second pass "
            f"{lost[2]:.4f} would be lost"
        )


def recall(
    conn: Conn,
    layout: IndexLayout,
    options: Options,
    *,
    sample: int,
    queries: sampling.QuerySource,
    keep: bool,
    tell: Teller | None,
) -> RecallReport:
    """Measure one search; see `MatryoshkaIndex.recall`."""
    arguments.check_callable("tell", tell)
    keep = arguments.flag("keep", keep)
    facts = sampling.check(layout, run(conn, catalog.read(layout)))
    values = sampling.values(layout, facts, options.k, sample, queries)
    condition = written_out(conn, options.filter, options.params, facts)
    promise = run(conn, read_promise(conn, layout, options))
    values |= _effort(options, promise) | {"filter": condition, "keep": keep}
    with (
        sampling.asking(conn, layout, facts, options.filter, tell),
        cursors.dicts(conn) as cursor,
    ):
        cursor.execute(sampling.statement("measure", facts), values, binary=True)
        row = cursor.fetchone()
    return _report(layout, {**values, **(row or {})}, promise)


async def recall_async(
    conn: AsyncConn,
    layout: IndexLayout,
    options: Options,
    *,
    sample: int,
    queries: sampling.QuerySource,
    keep: bool,
    tell: Teller | None,
) -> RecallReport:
    """The same on an asynchronous connection."""
    arguments.check_callable("tell", tell)
    keep = arguments.flag("keep", keep)
    facts = sampling.check(layout, await run_async(conn, catalog.read(layout)))
    values = sampling.values(layout, facts, options.k, sample, queries)
    condition = written_out(conn, options.filter, options.params, facts)
    promise = await run_async(conn, read_promise(conn, layout, options))
    values |= _effort(options, promise) | {"filter": condition, "keep": keep}
    with sampling.asking(conn, layout, facts, options.filter, tell):
        async with cursors.dicts_async(conn) as cursor:
            await cursor.execute(
                sampling.statement("measure", facts), values, binary=True
            )
            row = await cursor.fetchone()
    return _report(layout, {**values, **(row or {})}, promise)


def history(conn: Conn, layout: IndexLayout) -> list[RecallReport]:
    """What was kept of one short column, oldest first."""
    facts = run(conn, catalog.read(layout))
    with (
        sampling.asking(conn, layout, facts, None),
        cursors.dicts(conn) as cursor,
    ):
        rows = cursor.execute(*_history_query(layout, facts), binary=True).fetchall()
    return [_report(layout, row, None) for row in rows]


async def history_async(conn: AsyncConn, layout: IndexLayout) -> list[RecallReport]:
    """The same on an asynchronous connection."""
    facts = await run_async(conn, catalog.read(layout))
    with sampling.asking(conn, layout, facts, None):
        async with cursors.dicts_async(conn) as cursor:
            await cursor.execute(*_history_query(layout, facts), binary=True)
            rows = await cursor.fetchall()
    return [_report(layout, row, None) for row in rows]


def _history_query(
    layout: IndexLayout, facts: Facts
) -> tuple[bytes, dict[str, str | int]]:
    return source.statement("measurements").encode(), {
        "table_id": facts.table_id,
        "index_name": layout.name,
    }


def _effort(options: Options, promise: Promise | None) -> dict[str, Any]:
    """The search that is measured; raises InvalidSetting."""
    effort = plan.effort(plan.promised(options, promise), goes_on=False)
    return {
        "candidates": effort.candidates,
        "ef_search": effort.ef_search,
        "max_scan_tuples": effort.max_scan_tuples,
    }


def _report(
    layout: IndexLayout, figures: dict[str, Any], promise: Promise | None
) -> RecallReport:
    return RecallReport(
        layout=layout,
        k=figures["k"],
        candidates=figures["candidates"],
        ef_search=figures["ef_search"],
        filter=figures["filter"] or "",
        recall=figures["recall"],
        low=figures["low"],
        high=figures["high"],
        loss_graph=figures["loss_graph"],
        loss_shortlist=figures["loss_shortlist"],
        loss_prefix=figures["loss_prefix"],
        queries=figures["measured"],
        measured_at=figures["measured_at"],
        promise=promise,
    )
