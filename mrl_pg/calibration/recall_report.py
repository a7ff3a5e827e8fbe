"""Has the server measure the recall of a search on demand, and reads what was kept."""

import json
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from typing import Any

from mrl_pg import arguments, source
from mrl_pg.calibration import batches, measuring
from mrl_pg.calibration.over_shards import recall_over_shards
from mrl_pg.catalog.distribution import refuse_spread
from mrl_pg.catalog.facts import Facts
from mrl_pg.catalog.read import read_facts
from mrl_pg.errors import InvalidSetting
from mrl_pg.exchange import AnyConn, Exchange, Row, Send, commits_each, look
from mrl_pg.exchange.progress import OnProgress, Progress
from mrl_pg.layout import IndexLayout
from mrl_pg.search.effort import candidates_read, check_kind, decide_effort
from mrl_pg.search.filter import written_out
from mrl_pg.search.options import SearchOptions
from mrl_pg.search.plan import with_bits_in_rows
from mrl_pg.search.probes import check_parts
from mrl_pg.search.promise import Promise
from mrl_pg.search.promised import read_promise
from mrl_pg.vectors import VectorsLike

NOT_KEPT = "keep=True stores figures with their losses, which shards do not tell"


@dataclass(frozen=True, slots=True)
class RecallReport:
    """Mean recall of a search against exact search, its 95 % interval, its losses.

    `loss_graph` is what HNSW missed, or a `rerank` left out, `loss_shortlist` what more
    candidates would have found; with `recall` they add up to 1. `loss_prefix` is what a
    search without the second pass would lose. All are None when no query had
    anything to find, and the losses also on a table of Citus. An exact search, which a
    `recall` may choose, has no candidates, finds everything, and is not measured.
    `rerank` of the candidates were read in full, None if all were. `probes` parts were
    searched, None if all were; what the others hold is among `loss_graph`.
    """

    layout: IndexLayout
    k: int
    candidates: int | None
    ef_search: int | None
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
    rerank: int | None = None
    probes: int | None = None

    def below(self, floor: float) -> bool:
        """Whether the mean recall is below a floor, or nothing was measured."""
        return self.recall is None or self.recall < arguments.number("floor", floor)

    def as_dict(self) -> dict[str, Any]:
        """The figures, as JSON takes them."""
        figures = asdict(self)
        del figures["layout"]
        figures["measured_at"] = self.measured_at.isoformat()
        return {"index": self.layout.name, **figures}

    def __str__(self) -> str:
        """What was measured, and what lost the rest, in two sentences."""
        if self.candidates is None:
            return f"{self.layout}: exact search for k={self.k}, which finds everything"
        walked = candidates_read(self.candidates, self.rerank)
        search = f"k={self.k}, {walked}, ef_search {self.ef_search}"
        search += f", probes {self.probes}" if self.probes else ""
        search += f", where {self.filter}" if self.filter else ""
        if self.recall is None or self.low is None or self.high is None:
            return f"{self.layout}: no query had anything to be found ({search})"
        measured = (
            f"{self.layout}: recall {self.recall:.4f} ({self.low:.4f} to "
            f"{self.high:.4f}) on {self.queries} queries ({search})"
        )
        if self.loss_graph is None:
            return measured
        lost = (self.loss_graph, self.loss_shortlist or 0, self.loss_prefix or 0)
        return (
            f"{measured}. The graph lost {lost[0]:.4f}, too short a list "
            f"{lost[1]:.4f}; without the second pass {lost[2]:.4f} would be lost"
        )


def recall(
    conn: AnyConn,
    layout: IndexLayout,
    options: SearchOptions,
    *,
    sample: int,
    queries: "VectorsLike | None",
    real_queries: bool,
    keep: bool,
    progress: OnProgress | None,
) -> Exchange[RecallReport]:
    """Measure one search; see `MatryoshkaIndex.recall`."""
    arguments.check_callable("progress", progress)
    keep = arguments.flag("keep", keep)
    if keep and options.probes is not None:
        raise InvalidSetting(
            f"keep=True stores recalls of whole tables, and probes={options.probes}: "
            "leave one of the two out"
        )
    check_kind(options, layout)
    layout, facts = yield from measuring.ready(conn, layout, spread=True)
    if options.probes is not None:
        # says what is missing before anything is measured
        yield from check_parts(layout, facts)
    if facts.distribution is not None:
        if keep:
            refuse_spread(facts.where, facts.distribution, NOT_KEPT)
        condition = written_out(conn, options.filter, options.params, facts)
        figures = yield from recall_over_shards(
            conn,
            layout,
            facts,
            options,
            condition,
            sample=sample,
            queries=queries,
            real_queries=real_queries,
            progress=progress,
        )
        return _report(layout, {**figures, "filter": condition}, None)
    values = yield from measuring.values(
        layout, facts, options.k, sample, queries, real_queries
    )
    condition = written_out(conn, options.filter, options.params, facts)
    promise = yield from read_promise(conn, layout, options)
    effort = decide_effort(options, promise=promise, goes_on=False)
    effort = with_bits_in_rows(effort, layout, facts)
    if promise is not None and effort.scan == "exact":
        report = exact_report(layout, options.k, condition or "", promise)
        if keep:
            with measuring.explained(conn, layout, facts, options.filter):
                yield Send(source.statement("check_may_keep").encode(), values)
                figures = {**asdict(report), "measured": 0, "promise": None}
                figures |= {"full_column": layout.column, "filter": condition}
                yield _stored(values | figures | {"tenant": options.tenant})
        return report
    # the server finds the index of a tenant itself
    place = {"index_name": layout.name, "tenant": None}
    if options.tenant is not None:
        place = {"index_name": None, "tenant": str(options.tenant)}
    named = {"full_column": layout.column, "filter": condition}
    asked = asdict(effort) | named | place | {"probes": options.probes}
    # not in ASCII, because a database in SQL_ASCII refuses escapes in JSON
    values |= {**asked, "keep": keep, "asked": json.dumps(asked, ensure_ascii=False)}
    with (
        measuring.explained(conn, layout, facts, options.filter),
        measuring.reported(conn, progress),
    ):
        if commits_each(conn):
            row = yield from _measure_in_batches(facts, values, progress)
        else:
            statement = measuring.statement("measure", facts)
            (row,) = yield Send(statement, values, binary=True)
    return _report(layout, {**values, **row}, promise)


def _measure_in_batches(
    facts: Facts, values: dict[str, Any], progress: OnProgress | None
) -> Exchange[Row]:
    """The figures of `mrl.recall`; each query is measured by a statement of its own."""
    if values["keep"]:
        yield Send(source.statement("check_may_keep").encode(), values)
    queries = yield from batches.draw("draw_queries", facts, values)
    measure = measuring.statement("measure_query", facts)
    shares = []
    for number, query in enumerate(queries, 1):
        asked = batches.as_parameters([query])
        (row,) = yield from look(measure, values | asked, binary=True)
        if row["graph"] is not None:
            shares.append(row)
        if progress is not None:
            progress(Progress("queries measured", number, len(queries)))
    passes = {
        "recalls": [row["graph"] for row in shares],
        "shortlists": [row["shortlist"] for row in shares],
        "prefixes": [row["prefix"] for row in shares],
    }
    summary = source.statement("recall_and_losses").encode()
    (figures,) = yield from look(summary, values | passes, binary=True)
    if values["keep"] and shares:
        yield _stored(values | figures)
    found: Row = figures
    return found


def _stored(values: dict[str, Any]) -> Send:
    """What stores a recall: of a tenant beside its index, else among measurements."""
    of_tenant = values["tenant"] is not None
    name = "keep_tenant_recall" if of_tenant else "keep_measurement"
    return Send(source.statement(name).encode(), values)


def history(conn: AnyConn, layout: IndexLayout) -> Exchange[list[RecallReport]]:
    """The reports that were kept about one short column, oldest first."""
    facts = yield from read_facts(layout)
    names = {"table_id": facts.table_id, "index_name": layout.name}
    with measuring.explained(conn, layout, facts, None):
        rows = yield from look(source.statement("measurements"), names, binary=True)
    return [_report(layout, row, None) for row in rows]


def exact_report(
    layout: IndexLayout, k: int, filter: str, promise: Promise | None = None
) -> RecallReport:
    """The report of an exact search, which is not measured."""
    return RecallReport(
        layout=layout,
        k=k,
        candidates=None,
        ef_search=None,
        filter=filter,
        recall=1.0,
        low=1.0,
        high=1.0,
        loss_graph=0.0,
        loss_shortlist=0.0,
        loss_prefix=0.0,
        queries=0,
        measured_at=datetime.now(timezone.utc),
        promise=promise,
    )


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
        rerank=figures["rerank"],
        probes=figures.get("probes"),
    )
