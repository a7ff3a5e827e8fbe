"""The first pass alone, to see what the second one mends."""

from typing import Any

from psycopg import sql

from mrl_pg import catalog, plan, render, search
from mrl_pg.catalog import Conn
from mrl_pg.layout import IndexLayout
from mrl_pg.vectors import VectorLike


def nearest_short(
    conn: Conn, layout: IndexLayout, query: VectorLike, *, k: int = 10
) -> list[Any]:
    """Keys of the k rows nearest by short vectors, in that order.

    Uses the short index under the session's own `hnsw.ef_search`. A composite
    key is a tuple. Raises what a search raises.
    """
    facts = catalog.facts(conn, layout, ready=True)
    bound = plan.as_query(layout, facts, query)
    statement = render.template(
        "short_pass",
        query=render.query(facts, sql.Placeholder()),
        columns=render.comma(render.name(key) for key in facts.keys),
        table=render.name(facts.schema, facts.table),
        short=render.name(layout.short),
        short_query=render.short_value(layout, facts, sql.Identifier("full")),
        extension=sql.Identifier(facts.extension_schema),
        short_operator=sql.SQL(layout.short_operator),
        k=sql.Literal(k),
    )
    with search.open_cursor(conn) as cursor:
        rows = cursor.execute(statement, [bound]).fetchall()
    return [row[0] if len(facts.keys) == 1 else row for row in rows]
