"""Switches searches from the full column of one model to that of another."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from psycopg import errors, sql

from mrl_pg import source
from mrl_pg.arguments import flag
from mrl_pg.catalog.facts import Facts, check_installed
from mrl_pg.catalog.read import read_column_facts
from mrl_pg.catalog.slots import statement
from mrl_pg.errors import (
    IndexNotFound,
    InvalidSetting,
    TableError,
)
from mrl_pg.exchange import AnyConn, Call, Exchange, Row, Send
from mrl_pg.exchange.connections import commits_each
from mrl_pg.exchange.server_message import server_message
from mrl_pg.layout import ColumnLayout

WRITER_SECONDS = 10.0
"""How long a switch waits for transactions that wrote before it, to count all rows."""

WRITER_PAUSE = 0.1
"""Seconds between two looks at these transactions."""


@dataclass(frozen=True, slots=True)
class SwitchReport:
    """What a switch to another full column did.

    `index_name` answers searches from now on. `missing` counts the rows that have a
    vector in the old column `from_column` and none in `to_column`: no search finds
    them. They were counted after the switch, so the count includes rows that others
    wrote meanwhile. It is None in a transaction of yours, because others cannot see
    the switch before you commit. `writers` are server processes that wrote to the table
    before the switch and had not committed yet when the rows were counted.
    """

    table: str
    from_column: str
    to_column: str
    index_name: str
    missing: int | None
    writers: tuple[int, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether every row was counted, and no row lacks a new vector."""
        return self.missing == 0 and not self.writers

    def __str__(self) -> str:
        """What searches use now, and a line for what is missing."""
        lines = [
            f"searches with a query for each column use {self.to_column} and "
            f"{self.index_name} now"
        ]
        if self.missing:
            lines.append(
                f"{self.missing} rows of {self.table} have a vector in "
                f"{self.from_column} and none in {self.to_column}, so no search finds "
                "them: fill them with `mrl-pg load --update`, or switch back"
            )
        if self.writers:
            processes = ", ".join(map(str, self.writers))
            lines.append(
                f"rows that server processes {processes} have not committed yet were "
                "not counted: `mrl-pg status --rows` counts them later"
            )
        return "\n".join(lines)


def switch_column(
    conn: AnyConn, searched: ColumnLayout, to_column: str, allow_missing: bool
) -> Exchange[SwitchReport]:
    """One update in the catalog, and then a count of the rows that were missed."""
    allowed = flag("allow_missing", allow_missing)
    to = ColumnLayout(searched.table, to_column, searched.schema)
    facts = yield from read_column(searched)
    yield from read_column(to)
    names = {
        "table": sql.Identifier(facts.schema, facts.table).as_string(),
        "from_column": searched.column,
        "to_column": to.column,
        "allow_missing": allowed,
    }
    commits = commits_each(conn)
    try:
        (row,) = yield Send(source.statement("switch_column"), names)
    except errors.UndefinedObject as error:
        raise IndexNotFound(f"{to}: {server_message(error)}") from error
    except errors.InvalidParameterValue as error:
        raise InvalidSetting(f"{searched}: {server_message(error)}") from error
    except errors.ObjectNotInPrerequisiteState as error:
        raise TableError(str(server_message(error))) from error
    missing: int | None = None
    writers: tuple[int, ...] = ()
    if commits:
        writers = yield from _writers_left(facts.table_id)
        missing = (yield from count_rows(facts, searched.column, to.column))["missing"]
    return SwitchReport(
        f"{facts.schema}.{facts.table}",
        searched.column,
        to.column,
        row["answers"],
        missing,
        writers,
    )


def _writers_left(
    table_id: int, clock: Callable[[], float] = time.monotonic
) -> Exchange[tuple[int, ...]]:
    """Wait for the transactions that have written to a table; who has not ended."""
    until = clock() + WRITER_SECONDS
    table = {"table_id": table_id}
    writing: list[Row] = yield Send(source.statement("writers_of"), table)
    while writing and clock() < until:
        yield Call(partial(time.sleep, WRITER_PAUSE))
        now = yield Send(source.statement("writers_of"), table)
        still = {row["transaction"] for row in now}
        writing = [row for row in writing if row["transaction"] in still]
    return tuple(sorted({row["pid"] or 0 for row in writing}))


def count_rows(facts: Facts, from_column: str, to_column: str) -> Exchange[Row]:
    """How many rows with a vector in one column have one in the other, and have none.

    Raises TableError if row-level security hides rows.
    """
    table = sql.Identifier(facts.schema, facts.table)
    counted = statement(
        "count_vectors",
        table=table,
        table_name=sql.Literal(table.as_string()),
        from_column=sql.Identifier(from_column),
        to_column=sql.Identifier(to_column),
    )
    rows: list[Row] = yield Send(counted)
    row = rows[0]
    if row["hidden"]:
        raise TableError(
            f"row-level security hides rows of {facts.schema}.{facts.table} from this "
            "role, so it cannot count them: do this as a role that sees every row"
        )
    return row


def read_column(column: ColumnLayout) -> Exchange[Facts]:
    """Facts of a full column; raises an error if it is not there or cannot be used."""
    facts = yield from read_column_facts(column)
    check_installed(facts)
    return facts
