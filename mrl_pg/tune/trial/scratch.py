"""A copy of the sampled rows with indexes to try, in a schema that is dropped.

Each statement is a transaction by itself, because a long one would keep vacuum from its
work, and `create index concurrently` waits for it. A session that is killed leaves the
schema. The next `tune` of the same role drops it.
"""

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from psycopg import errors, sql

from mrl_pg import source
from mrl_pg.build import definitions
from mrl_pg.catalog import slots
from mrl_pg.catalog.facts import Facts
from mrl_pg.errors import InvalidSetting
from mrl_pg.exchange import Conn, cursors
from mrl_pg.index import MatryoshkaIndex
from mrl_pg.load.pack import HEADER, TRAILER, VECTOR_WIRE
from mrl_pg.rotation import Rotation
from mrl_pg.tune.budget import Budget
from mrl_pg.tune.option import Goal, Option
from mrl_pg.tune.rows.sample_table import SampleTable
from mrl_pg.tune.rows.stream import BLOCK_BYTES, copied, vector_fields
from mrl_pg.tune.rows.table import TableFacts, full_type
from mrl_pg.tune.transactions import session_settings
from mrl_pg.tune.trial.single_pass import SinglePass, single_pass

TABLE, IN_ROW, COLUMN = "rows", "rows_in_row", "embedding"

SETTINGS = {
    # build in parallel even if the copy is small, because the table is not
    "min_parallel_table_scan_size": "0",
    "enable_seqscan": "off",
}

OTHERS = ("hnsw.ef_search",)
"""Settings that trials change, one search after the other."""

LOCK = source.statement("scratch_lock").encode()
UNLOCK = source.statement("scratch_unlock").encode()
LEFT = source.statement("scratch_left").encode()


@dataclass(frozen=True, slots=True)
class TrialIndex:
    """An index that was tried on the copy: its build time in seconds and its bytes."""

    name: str
    seconds: float
    bytes: int


@dataclass(frozen=True, slots=True)
class Scratch:
    """The copy; nothing else has the name `schema`.

    Options on rotated rows have a table of their own, with the rows rotated by
    `rotation`.
    """

    conn: Conn
    facts: Facts
    table: TableFacts
    goal: Goal
    schema: str
    storage: str
    name: str = TABLE
    rotation: Rotation | None = None

    def table_of(self, option: Option) -> str:
        """The name of the table that has the short column of an option."""
        return f"{self.name}_rotated" if option.rotated else self.name

    def asked(self, option: Option, query: NDArray[np.float32]) -> NDArray[np.float32]:
        """The query for the table of an option, which may have rotated rows."""
        if self.rotation is None or not option.rotated:
            return query
        return self.rotation.apply(query)

    def index(self, option: Option) -> MatryoshkaIndex:
        """The short index of an option on the copy.

        An option with a graph of its own has a short column of its own, too. On a
        column with two indexes, the planner would choose one of them.
        """
        goal = self.goal.with_graph(option.graph)
        suffix = "" if option.graph is None else "_better"
        return MatryoshkaIndex(
            self.table_of(option),
            COLUMN,
            dims=option.dims,
            kind=option.kind,
            distance=goal.distance,
            m=goal.m,
            ef_construction=goal.ef_construction,
            schema=self.schema,
            short=f"short_{option.dims}_{option.kind}{suffix}",
        )

    def copy(self, sample: SampleTable, short: Sequence[Option]) -> int:
        """Copy the rows read, with short columns for options; returns a count."""
        done = self.fill(sample.name, short)
        sample.drop()
        return done

    def in_row(
        self, short: Sequence[Option], origin: sql.Identifier | None = None
    ) -> "Scratch":
        """Make a second copy, of the copy or `origin`, with full vectors in the row."""
        other = replace(self, storage="plain", name=IN_ROW)
        other.fill(origin or sql.Identifier(self.schema, self.name), short)
        return other

    def toast_bytes(self) -> int:
        """Bytes that the copy has in TOAST."""
        query = source.statement("toast_bytes").encode()
        names = {"schema": self.schema, "table": self.name}
        return int(cursors.tuples(self.conn).execute(query, names).fetchall()[0][0])

    def fill(self, origin: sql.Identifier, short: Sequence[Option]) -> int:
        """Make the table, with the vectors of another; returns a count."""
        made = sql.Identifier(self.schema, self.name)
        copy = slots.statement("scratch_copy", scratch=made, origin=origin)
        for step in self._tables(made, [o for o in short if not o.rotated]):
            cursors.tuples(self.conn).execute(step)
        done = cursors.tuples(self.conn).execute(copy)
        cursors.tuples(self.conn).execute(slots.statement("analyze_table", table=made))
        rotated = [option for option in short if option.rotated]
        if rotated and self.rotation is not None:
            self._fill_rotated(made, self.rotation, rotated)
        return done.rowcount

    def _fill_rotated(
        self, origin: sql.Identifier, rotation: Rotation, short: Sequence[Option]
    ) -> None:
        """Make the table of rotated rows from the copy, some rows at a time."""
        made = sql.Identifier(self.schema, self.table_of(short[0]))
        for step in self._tables(made, short):
            cursors.tuples(self.conn).execute(step)
        layout = np.dtype(
            [
                ("fields", ">i2"),
                ("length_id", ">i4"),
                ("id", ">i8"),
                *vector_fields(VECTOR_WIRE[self.facts.full_type], self.facts.full_dims),
            ]
        )
        arriving = slots.statement("scratch_in", table=made)
        after, most = 0, max(1, BLOCK_BYTES // layout.itemsize)
        while True:
            rows = slots.statement(
                "scratch_part",
                table=origin,
                after=sql.Literal(after),
                most=sql.Literal(most),
            )
            leaving = slots.statement("copy_rows", rows=rows)
            records = copied(self.conn, leaving, layout).copy()
            if not len(records):
                break
            records["value"] = rotation.apply(records["value"].astype(np.float32))
            after = int(records["id"][-1])
            with cursors.tuples(self.conn).copy(arriving) as copy:
                copy.write(HEADER + records.tobytes() + TRAILER)
        cursors.tuples(self.conn).execute(slots.statement("analyze_table", table=made))

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

    def build_within(
        self, budget: Budget, make: Callable[[], TrialIndex]
    ) -> TrialIndex | None:
        """Build an index, or None if the time is up before the build is done."""
        if not budget.limited:
            return make()
        limit = f"{1 + 1000 * budget.left:.0f}"
        try:
            with session_settings(self.conn, {"statement_timeout": limit}):
                return make()
        except errors.QueryCanceled:
            if not budget.up:
                raise
            return None

    def build(self, option: Option) -> TrialIndex:
        """Build the short index of an option."""
        index = self.index(option)
        extension = slots.home(self.facts.extension_schema)
        table = sql.Identifier(self.schema, index.table)
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
    """A schema to try indexes in, for a block of code; each statement commits."""
    _drop_left(conn)
    random = os.urandom(8)
    schema = f"mrl_tune_{random.hex()}"
    key = {"key": int.from_bytes(random, "big", signed=True)}
    cursors.tuples(conn).execute(LOCK, key)
    try:
        cursors.tuples(conn).execute(
            slots.statement("scratch_schema", schema=sql.Identifier(schema))
        )
        with session_settings(conn, SETTINGS, OTHERS):
            yield Scratch(conn, facts, table, goal, schema, table.storage)
    finally:
        if not conn.closed:
            _drop(conn, schema)
            cursors.tuples(conn).execute(UNLOCK, key)


def _drop(conn: Conn, schema: str) -> None:
    cursors.tuples(conn).execute(
        slots.statement("drop_scratch", schema=sql.Identifier(schema))
    )


def _drop_left(conn: Conn) -> None:
    """Drop what sessions that were killed have left."""
    for (schema,) in cursors.tuples(conn).execute(LEFT).fetchall():
        # another session may be dropping it, too
        with suppress(errors.Error):
            _drop(conn, schema)


def check_may_create(table: TableFacts) -> None:
    """Raise InvalidSetting if the session cannot create what the trials need."""
    if not table.may_create:
        raise InvalidSetting(
            "tune tries indexes in a schema of its own, which it drops, on rows from a "
            "temporary table. But this role may not create a schema or temporary "
            "tables in this database, or the session is read-only. "
            "To choose by prediction alone, pass --plan (plan=True in Python)"
        )
