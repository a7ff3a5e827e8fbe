"""Checks the graph of a new index on a sample, before searches learn of the index."""

from mrl_pg import source
from mrl_pg.build import settings
from mrl_pg.catalog.facts import Facts
from mrl_pg.errors import GraphBroken
from mrl_pg.exchange import Exchange, Row, Send
from mrl_pg.layout import IndexLayout

LEAST_RECALL = 0.3
"""A graph that finds a smaller share than this is broken, not just weak."""


def verify(layout: IndexLayout, facts: Facts, kept_as: str) -> Exchange[float | None]:
    """The share of the nearest *short* values that the index finds, on a sample.

    At most 20 rows stand in for queries, in each of the four largest parts of a
    partitioned table. About 10,000 rows are compared, in one statement of a second or
    so. None if the table is empty, or if the sample could not be searched by this
    index. Raises GraphBroken below LEAST_RECALL. How well a prefix stands in for its
    full vector does not matter here: `calibrate` measures that.
    """
    body = _recall(layout, facts, kept_as)
    (row,) = yield from settings.of_session({"statement_timeout": "0"}, body)
    recall: float | None = row["recall"]
    if recall is not None and recall < LEAST_RECALL:
        raise GraphBroken(
            f"index {layout.name!r} finds only {recall:.0%} of the nearest short "
            f"values on a sample, so its graph is broken, and it was not registered: "
            "drop it (`mrl-pg drop`), then create it with more links than "
            f"m={layout.m} and a wider search than "
            f"ef_construction={layout.ef_construction}"
        )
    return recall


def _recall(layout: IndexLayout, facts: Facts, kept_as: str) -> Exchange[list[Row]]:
    rows: list[Row] = yield Send(
        source.statement("graph_recall"),
        {
            "table_id": facts.table_id,
            "column": layout.column,
            "short": layout.short,
            "index": layout.name,
            "dims": layout.dims,
            "kind": layout.kind,
            "distance": layout.distance,
            "kept_as": kept_as,
        },
    )
    return rows
