"""Measures the recall of a search on a table of Citus, by the searches themselves.

On other tables the server measures, by the places of rows, which say nothing here.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from psycopg import sql

from mrl_pg import source
from mrl_pg.arguments import check_whole, flag, listed
from mrl_pg.catalog import slots
from mrl_pg.catalog.distribution import refuse_spread
from mrl_pg.catalog.facts import Facts
from mrl_pg.catalog.rotations import unrotated
from mrl_pg.errors import InvalidSetting
from mrl_pg.exchange import AnyConn, Exchange, Row, Send, look
from mrl_pg.exchange.progress import OnProgress, Progress
from mrl_pg.layout import IndexLayout
from mrl_pg.search.find import find
from mrl_pg.search.options import MAX_ROWS, SearchOptions
from mrl_pg.vectors import VectorsLike

NO_REAL_QUERIES = "real_queries=True reads no queries here: give them as queries="


def recall_over_shards(
    conn: AnyConn,
    layout: IndexLayout,
    facts: Facts,
    options: SearchOptions,
    condition: str | None,
    *,
    sample: int,
    queries: "VectorsLike | None",
    real_queries: bool,
    progress: OnProgress | None,
) -> Exchange[Row]:
    """The figures of a RecallReport, without its losses.

    Each query is searched for by the index, and compared with every row. A row that
    stands in for a query is left out of both answers: it is the first of each. So it
    fulfils the `condition`, which is the filter with its values in it.
    """
    if flag("real_queries", real_queries):
        refuse_spread(facts.where, facts.distribution, NO_REAL_QUERIES)
    asked: Sequence[Any]
    if queries is None:
        asked = yield from _rows(layout, facts, condition, sample)
    else:
        asked = listed(queries)
    itself = int(queries is None)
    wider = replace(options, k=options.k + itself)
    exact = replace(wider, candidates=None, ef_search=None, rerank=None, exact=True)
    shares: list[float] = []
    figures: Row = {"k": options.k, "candidates": None, "ef_search": None}
    for number, query in enumerate(asked, 1):
        truth = yield from find(conn, layout, query, exact)
        found = yield from find(conn, layout, query, wider)
        true_keys = {*truth.keys[itself:]}
        if true_keys:
            hits = true_keys & {*found.keys[itself:]}
            shares.append(len(hits) / len(true_keys))
        figures |= {"candidates": found.candidates, "ef_search": found.ef_search}
        if progress is not None:
            progress(Progress("queries measured", number, len(asked)))
    # without losses, because only the index of each shard could tell them
    shared = {"recalls": shares, "shortlists": [], "prefixes": []}
    summary = source.statement("recall_and_losses").encode()
    (measured,) = yield from look(summary, shared, binary=True)
    losses = dict.fromkeys(("loss_graph", "loss_shortlist", "loss_prefix"))
    return measured | losses | figures | {"rerank": None}


def _rows(
    layout: IndexLayout, facts: Facts, condition: str | None, sample: int
) -> Exchange[list[Any]]:
    """Vectors of random rows, as the model made them."""
    count = check_whole("sample", sample, 1, MAX_ROWS, "a measurement")
    query = slots.statement(
        "spread_rows",
        full=sql.Identifier(layout.column),
        table=slots.table_of(facts),
        filter=slots.condition(condition),
        sample=sql.Literal(count),
    )
    rows = yield Send(query.as_string())
    if not rows:
        raise InvalidSetting(
            f"{facts.where} has no row with a vector in {layout.column!r}: load rows, "
            "or give queries="
        )
    texts = [row["vector"] for row in rows]
    if facts.rotation is not None:
        texts = [unrotated(text, facts.rotation) for text in texts]
    return [[float(number) for number in text[1:-1].split(",")] for text in texts]
