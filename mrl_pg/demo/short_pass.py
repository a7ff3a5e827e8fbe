"""Runs the first pass alone, to show what the second pass corrects."""

from dataclasses import replace
from typing import Any

from psycopg import sql

from mrl_pg.build import settings
from mrl_pg.catalog import slots
from mrl_pg.catalog.facts import check_ready
from mrl_pg.catalog.read import known_facts
from mrl_pg.exchange import Conn, cursors, run
from mrl_pg.layout import IndexLayout
from mrl_pg.search.effort import default_candidates
from mrl_pg.search.options import MAX_EF_SEARCH
from mrl_pg.search.plan import as_query
from mrl_pg.vectors import VectorLike


def nearest_short(
    conn: Conn, layout: IndexLayout, query: VectorLike, *, k: int = 10
) -> list[Any]:
    """Keys of the k rows nearest by short vectors, nearest first.

    It uses the ef_search of a default search for k rows, so that missed rows are due to
    the short vectors. The scan goes on if it finds fewer than k rows. A composite key
    is a tuple. Raises what a search raises.
    """
    facts = run(conn, known_facts(conn, layout))
    check_ready(layout, facts)
    # a percent sign in a name is doubled, because the statement has a placeholder
    facts = replace(facts, extension_schema=facts.extension_schema.replace("%", "%%"))
    extension = slots.home(facts.extension_schema)
    bound = as_query(layout, facts, query)
    statement = slots.statement(
        "short_pass",
        query=slots.query(facts, sql.Placeholder()),
        columns=slots.comma(slots.name(key) for key in facts.keys),
        table=slots.name(facts.schema, facts.table),
        short=slots.short_name(layout, extension, of_expression=facts.expression_ours),
        short_query=slots.short_value(layout, extension, sql.Identifier("full")),
        extension=extension,
        short_operator=sql.SQL(layout.short_operator),
        k=sql.Literal(k),
    )
    wide = {
        "hnsw.ef_search": str(min(default_candidates(k), MAX_EF_SEARCH)),
        "hnsw.iterative_scan": "strict_order",
    }
    with (
        conn.transaction(),
        settings.local_block(conn, wide),
        cursors.searching(conn) as cursor,
    ):
        rows = cursor.execute(statement, [bound]).fetchall()
    return [row[0] if len(facts.keys) == 1 else row for row in rows]
