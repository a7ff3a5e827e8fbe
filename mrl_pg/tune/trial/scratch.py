"""A copy of the sampled rows with indexes to try, in a transaction that is undone.

The schema, the copy and its indexes are never committed: whatever ends the session,
Ctrl-C or a crash included, nobody else ever sees them and nothing is left behind.
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
    # the copy may be small; the table it stands for is not
    "min_parallel_table_scan_size": "0",
    "enable_seqscan": "off",
}


@contextmanager
def snapshot(conn: Conn) -> Iterator[None]:
    """A transaction that sees the table as it is now and leaves nothing behind.

    Raises InvalidSetting when the connection is in a transaction already.
    """
    if conn.info.transaction_status != pq.TransactionStatus.IDLE:
        raise InvalidSetting(
            "the connection is in a transaction: tuning needs one of its own, which "
            "it rolls back; commit or roll back yours first"
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
    """An index that was tried: how long it took and how large it is, on the copy."""

    name: str
    seconds: float
    bytes: int


@dataclass(frozen=True, slots=True)
class Scratch:
    """The copy, inside `snapshot`; `schema` is a name that nothing else has."""

    conn: Conn
    facts: Facts
    table: TableFacts
    goal: Goal
    schema: str
    storage: str
    name: str = TABLE

    def index(self, option: Option) -> MatryoshkaIndex:
        """The short index of an option, on the copy."""
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
        """Copy the sampled rows, with short columns for options; how many they are."""
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
        """Another copy of the copy, full vectors in the row."""
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
        """Bytes that the copy keeps outside its rows."""
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
        """Build the index of an option."""
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
        """Build the index of one pass over full vectors."""
        seconds = rival.create(self.conn)
        return TrialIndex(rival_name(self.table), seconds, self._bytes(rival.name))

    def bare(self) -> MatryoshkaIndex:
        """The copy with no short index, for exact searches and the rival."""
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
        """One pass over full vectors on the copy, as halves."""
        return single_pass(self.conn, self.bare(), "halfvec")

    def _bytes(self, name: str) -> int:
        query = source.statement("index_bytes").encode()
        names = {"schema": self.schema, "index_name": name}
        return int(cursors.tuples(self.conn).execute(query, names).fetchall()[0][0])


def rival_name(table: TableFacts) -> str:
    """What one pass over full vectors is called."""
    return f"halfvec({table.full_dims}) alone"


@contextmanager
def scratch(
    conn: Conn, facts: Facts, table: TableFacts, goal: Goal
) -> Iterator[Scratch]:
    """A place to try indexes in, for one block inside `snapshot`."""
    schema = f"mrl_tune_{conn.info.backend_pid}_{os.urandom(4).hex()}"
    with settings.local_block(conn, SETTINGS):
        cursors.tuples(conn).execute(
            slots.statement("scratch_schema", schema=sql.Identifier(schema))
        )
        yield Scratch(conn, facts, table, goal, schema, table.storage)


def check_may_create(table: TableFacts) -> None:
    """Raise InvalidSetting where no schema can be created."""
    if not table.may_create:
        raise InvalidSetting(
            "this role may not create a schema in this database, or the session is "
            "read-only; trying indexes takes one (it is rolled back): choose by "
            "prediction with --plan, plan=True in Python"
        )
