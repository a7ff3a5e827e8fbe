"""Statements that only read, sent again if an object that they read has just gone."""

import re

from psycopg.abc import Query

from mrl_pg.exchange.requests import Exchange, Row, Send, Values
from mrl_pg.exchange.server_message import server_message

TRIES = 5
"""How often a statement is sent while others drop what it reads."""

_GONE = re.compile(
    "cache lookup failed for "
    "|could not open relation with OID "
    "|could not find tuple for "
    "|(pg_attribute )?catalog is missing "
    "|missing relpartbound for relation "
    "|relation [0-9]+ deleted while still in use"
)
"""How PostgreSQL says that it cannot find an object by its number.

It is one internal error among many, whose text it never translates.
"""


def is_gone(error: BaseException) -> bool:
    """Whether an object was dropped between two looks of the server at the catalog.

    The server reads some facts of the catalog as of the start of a statement, and
    others as they are at the moment. `pg_get_indexdef` is one of many such functions.
    """
    said = server_message(error)
    return said.sqlstate == "XX000" and bool(_GONE.match(said.message))


def look(
    statement: Query, params: Values = None, *, binary: bool = False
) -> Exchange[list[Row]]:
    """Rows of a statement that only reads; sent again after an error of `is_gone`.

    In a transaction, which the first error ends, that error is raised.
    """
    gone: Exception | None = None
    tries = TRIES
    while True:
        tries -= 1
        try:
            rows: list[Row] = yield Send(statement, params, binary)
        except Exception as error:
            if gone is not None and server_message(error).sqlstate == "25P02":
                raise gone from None
            if not is_gone(error) or not tries:
                raise
            gone = error
        else:
            return rows
