"""Which parts of a table a search reads: those whose centres are nearest to its query.

The server is asked before each search, so nothing about parts is cached.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from psycopg import errors, sql

from mrl_pg import source
from mrl_pg.catalog import slots
from mrl_pg.catalog.distribution import refuse_spread
from mrl_pg.catalog.facts import Facts, check_installed
from mrl_pg.errors import TableError
from mrl_pg.exchange import AnyConn, Exchange, FindMany, FoundRows, cursors, look
from mrl_pg.exchange.server_message import server_message
from mrl_pg.exchange.vectors import QueryWords
from mrl_pg.layout import IndexLayout
from mrl_pg.search.plan import Probed, as_query
from mrl_pg.search.result import own_columns
from mrl_pg.vectors import VectorLike

SHARDS = "shards are no parts by likeness: leave probes out"


def read_probed(
    conn: AnyConn,
    layout: IndexLayout,
    facts: Facts,
    queries: Sequence[VectorLike],
    probes: int,
) -> Exchange[list[Probed]]:
    """For each query the parts to search, in one round trip for all.

    Raises TableError if the table is not partitioned by the likeness of the column,
    InvalidVector, NotInstalled, and SpreadTable for a table of Citus.
    """
    check_installed(facts)
    refuse_spread(facts.where, facts.distribution, SHARDS)
    statement = slots.statement(
        "nearest_parts",
        table=sql.Literal(slots.name(facts.schema, facts.table).as_string()),
        column=sql.Literal(layout.column.replace("%", "%%")),
        query=slots.query(facts, sql.Placeholder("query")),
        extension=slots.home(facts.extension_schema.replace("%", "%%")),
        probes=sql.Literal(probes),
    )
    batch = [{"query": as_query(layout, facts, query)} for query in queries]
    encoding = cursors.encoding(conn)
    with missing_parts():
        answers: list[FoundRows] = yield FindMany(
            statement.as_string().encode(encoding), batch, False
        )
    found = [own_columns(answer, "part_column", "parts")[0] for answer in answers]
    return [
        Probed(
            row["part_column"].decode(encoding),
            QueryWords(row["parts"].decode("ascii"), "ascii"),
        )
        for row in found
    ]


def check_parts(layout: IndexLayout, facts: Facts) -> Exchange[None]:
    """Raise TableError unless the table is partitioned by the likeness of the column.

    Raises NotInstalled and SpreadTable, too.
    """
    check_installed(facts)
    refuse_spread(facts.where, facts.distribution, SHARDS)
    known = {"table_id": facts.table_id, "column": layout.column}
    with missing_parts():
        yield from look(source.statement("parts_of").encode(), known)


@contextmanager
def missing_parts() -> Iterator[None]:
    """Raise TableError with the server's words if a table has no parts."""
    try:
        yield
    except errors.ObjectNotInPrerequisiteState as error:
        raise TableError(str(server_message(error))) from error
