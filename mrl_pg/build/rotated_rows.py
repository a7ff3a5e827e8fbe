"""Rows whose vectors the server rotates from one column into another, as it writes."""

from functools import partial
from typing import NamedTuple

from psycopg import errors, sql

from mrl_pg import source
from mrl_pg.build import online
from mrl_pg.build.switch_column import read_column
from mrl_pg.catalog.facts import Facts
from mrl_pg.catalog.slots import statement, table_of
from mrl_pg.errors import TableError
from mrl_pg.exchange import Exchange, Send, look
from mrl_pg.exchange.server_message import server_message
from mrl_pg.layout import ColumnLayout


class LinkedColumns(NamedTuple):
    """Whether the server rotates one column into another, and what it missed.

    `apart` is a condition of rows that have another vector than they should.
    """

    linked: bool
    apart: sql.SQL


def read_linked(
    facts: Facts, from_column: str, to_column: str
) -> Exchange[LinkedColumns]:
    """How two columns of a table belong together."""
    names = {"from_column": from_column, "to_column": to_column}
    query = source.statement("linked_columns").encode()
    (row,) = yield from look(query, {"table_id": facts.table_id, **names})
    return LinkedColumns(row["linked"], sql.SQL(row["apart"]))


def count_apart(facts: Facts, columns: LinkedColumns) -> Exchange[int]:
    """How many rows have another vector than they should; reads every row."""
    counted = statement("count_apart", table=table_of(facts), apart=columns.apart)
    (row,) = yield Send(counted)
    return int(row["apart"])


def link_rotated(facts: Facts, from_column: str, to_column: str) -> Exchange[bool]:
    """Have the server rotate what is written to a column; False if it cannot."""
    names = {"from_column": from_column, "to_column": to_column}
    return (
        yield from online.with_short_lock(
            partial(_link, {"table_id": facts.table_id, **names}), {}, facts.table_id
        )
    )


def _link(names: dict[str, object]) -> Exchange[bool]:
    (row,) = yield Send(source.statement("link_rotated"), names)
    return bool(row["linked"])


def stop_rotating(searched: ColumnLayout, to_column: str) -> Exchange[None]:
    """Drop the triggers that fill a column; raises TableError if there are none."""
    facts = yield from read_column(searched)
    names = {"table_id": facts.table_id, "to_column": to_column}
    try:
        yield from online.with_short_lock(partial(_stop, names), {}, facts.table_id)
    except errors.ObjectNotInPrerequisiteState as error:
        if isinstance(error, errors.LockNotAvailable):
            raise
        raise TableError(str(server_message(error))) from error


def _stop(names: dict[str, object]) -> Exchange[None]:
    yield Send(source.statement("stop_rotating"), names)
