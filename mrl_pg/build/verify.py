"""Checks the graph of a new index on a sample, before searches learn of the index."""

from psycopg import errors

from mrl_pg.build import settings
from mrl_pg.errors import GraphBroken
from mrl_pg.exchange import Exchange, Row, Send
from mrl_pg.exchange.server_message import server_message


def verify(statement: str) -> Exchange[float | None]:
    """The share of the nearest *short* values that the index finds, on a sample.

    At most 20 rows stand in for queries, in each of the four largest parts of a
    partitioned table. About 10,000 rows are compared, in one statement of a second or
    so. None if the table is empty, or if the sample could not be searched by this
    index. Raises GraphBroken below 30 %. How well a prefix stands in for its
    full vector does not matter here: `calibrate` measures that.
    """
    try:
        (row,) = yield from settings.of_session(
            {"statement_timeout": "0"}, _recall(statement)
        )
    except errors.IndexCorrupted as error:
        raise GraphBroken(str(server_message(error))) from error
    recall: float | None = row["recall"]
    return recall


def _recall(statement: str) -> Exchange[list[Row]]:
    rows: list[Row] = yield Send(statement)
    return rows
