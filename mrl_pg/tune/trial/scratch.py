"""A copy of the sampled rows with indexes to try, in a transaction that is rolled back.

The schema, the copy and its indexes are never committed. So nobody else sees them, and
nothing is left behind, however the session ends, even by Ctrl-C or a crash.
"""

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

from psycopg import IsolationLevel, Rollback, pq, sql

from mrl_pg import source
from mrl_pg.build import definitions, settings
from mrl_pg.catalog import slots
from mrl_pg.catalog.facts import Facts
from mrl_pg.errors import InvalidSetting
from mrl_pg.exchange import Conn, cursors
from mrl_pg.index import MatryoshkaIndex
from mrl_pg.tune.option import Goal, Option
from mrl_pg.tune.queries import Queries
from mrl_pg.tune.rows.stream import Sample
from mrl_pg.tune.rows.table import TableFacts, full_type
from mrl_pg.tune.trial.single_pass import SinglePass, single_pass

TABLE, IN_ROW, COLUMN = "rows", "rows_in_row", "embedding"

SETTINGS = {
    # build in parallel even if the copy is small, because the table is not
    "min_parallel_table_scan_size": "0",
    "enable_seqscan": "off",
}


@contextmanager
def snapshot(conn: Conn) -> Iterator[None]:
    """A transaction that sees the table as it is now, and is rolled back at the end.

    Raises InvalidSetting if the connection is in a transaction already.
    """
    if conn.info.transaction_status != pq.TransactionStatus.IDLE:
        raise InvalidSetting(
            "the connection is in a transaction. Commit it or roll it back first, "
            "because tune needs a transaction of its own, which it rolls back"
        )
    before = conn.isolation_level
    conn.isolation_level = IsolationLevel.REPEATABLE_READ
    try:
        with conn.transaction() as transaction:
            yield
            raise Rollback(transaction)
    finally:
        conn.isolation_level = before


@dataclass(frozen=True, slots=True)
class TrialIndex:
    """An index that was tried on the copy: its build time in seconds and its bytes."""

    name: str
    seconds: float
    bytes: int


@dataclass(frozen=True, slots=True)
class Scratch:
    """The copy, inside `snapshot`; nothing else has the name `schema`."""

    conn: Conn
    facts: Facts
    table: TableFacts
    goal: Goal
    schema: str
    storage: str
    name: str = TABLE

    def index(self, option: Option) -> MatryoshkaIndex:
        """The short index of an option on the copy."""
        return MatryoshkaIndex(
            self.name,
            COLUMN,
            dims=option.dims,
            kind=option.kind,
            distance=self.goal.distance,
            m=self.goal.m,
            ef_construction=self.goal.ef_construction,
            schema=self.schema,
        )

    def copy(
        self, column: str, sample: Sample, queries: Queries, short: Sequence[Option]
    ) -> int:
        """Copy the sampled rows, with short columns for options; returns a count."""
        copied = self._make(short)
        held = queries.held
        oids = [] if held is None else held.tables.tolist()
        tids = [] if held is None else held.tids()
        done = cursors.tuples(self.conn).execute(
            slots.statement(
                "scratch_rows",
                scratch=copied,
                full=sql.Identifier(column),
                table=slots.table_of(self.facts),
                sample=sample.clause(),
                oids=slots.array(oids),
                tids=slots.array(tids),
            )
        )
        cursors.tuples(self.conn).execute(
            slots.statement("analyze_table", table=copied)
        )
        return done.rowcount

    def in_row(self, short: Sequence[Option]) -> "Scratch":
        """Make a second copy of the copy, with full vectors in the row."""
        other = replace(self, storage="plain", name=IN_ROW)
        copied = other._make(short)
        origin = sql.Identifier(self.schema, self.name)
        statement = slots.statement("scratch_again", scratch=copied, origin=origin)
        cursors.tuples(self.conn).execute(statement)
        cursors.tuples(self.conn).execute(
            slots.statement("analyze_table", table=copied)
        )
        return other

    def toast_bytes(self) -> int:
        """Bytes that the copy has in TOAST."""
        query = source.statement("toast_bytes").encode()
        names = {"schema": self.schema, "table": self.name}
        return int(cursors.tuples(self.conn).execute(query, names).fetchall()[0][0])

    def _make(self, short: Sequence[Option]) -> sql.Identifier:
        made = sql.Identifier(self.schema, self.name)
        for step in self._tables(made, short):
            cursors.tuples(self.conn).execute(step)
        return made

    def _tables(
        self, copied: sql.Identifier, short: Sequence[Option]
    ) -> Iterator[sql.Composed]:
        yield slots.statement("scratch_table", table=copied, type=full_type(self.facts))
        yield slots.statement(
            "set_storage",
            table=copied,
            column=sql.Identifier(COLUMN),
            storage=sql.SQL(self.storage),
        )
        extension = slots.home(self.facts.extension_schema)
        for option in short:
            yield definitions.add_short_column(self.index(option), copied, extension)

    def build(self, option: Option) -> TrialIndex:
        """Build the short index of an option."""
        index = self.index(option)
        extension = slots.home(self.facts.extension_schema)
        table = sql.Identifier(self.schema, self.name)
        start = time.perf_counter()
        cursors.tuples(self.conn).execute(
            definitions.create_index(index, table, extension)
        )
        seconds = time.perf_counter() - start
        return TrialIndex(option.name, seconds, self._bytes(index.name))

    def build_rival(self, rival: SinglePass) -> TrialIndex:
        """Build the index over full vectors."""
        seconds = rival.create(self.conn)
        return TrialIndex(rival_name(self.table), seconds, self._bytes(rival.name))

    def bare(self) -> MatryoshkaIndex:
        """A layout on the copy that is not built, for exact searches and the rival."""
        return MatryoshkaIndex(
            self.name,
            COLUMN,
            dims=1,
            distance=self.goal.distance,
            m=self.goal.m,
            ef_construction=self.goal.ef_construction,
            schema=self.schema,
        )

    def rival(self) -> SinglePass:
        """One pass over full vectors on the copy, as `halfvec`."""
        return single_pass(self.conn, self.bare(), "halfvec")

    def _bytes(self, name: str) -> int:
        query = source.statement("index_bytes").encode()
        names = {"schema": self.schema, "index_name": name}
        return int(cursors.tuples(self.conn).execute(query, names).fetchall()[0][0])


def rival_name(table: TableFacts) -> str:
    """The name of one pass over full vectors in tables and plots."""
    return f"halfvec({table.full_dims}) alone"


@contextmanager
def scratch(
    conn: Conn, facts: Facts, table: TableFacts, goal: Goal
) -> Iterator[Scratch]:
    """A schema to try indexes in, for a block inside `snapshot`."""
    schema = f"mrl_tune_{conn.info.backend_pid}_{os.urandom(4).hex()}"
    with settings.local_block(conn, SETTINGS):
        cursors.tuples(conn).execute(
            slots.statement("scratch_schema", schema=sql.Identifier(schema))
        )
        yield Scratch(conn, facts, table, goal, schema, table.storage)


def check_may_create(table: TableFacts) -> None:
    """Raise InvalidSetting if the session cannot create a schema."""
    if not table.may_create:
        raise InvalidSetting(
            "tune tries indexes in a new schema, which it rolls back. But this role "
            "may not create a schema in this database, or the session is read-only. "
            "To choose by prediction alone, pass --plan (plan=True in Python)"
        )
