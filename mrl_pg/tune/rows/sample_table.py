"""A temporary table with the rows that were read, for the trials."""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from psycopg import sql

from mrl_pg.catalog import slots
from mrl_pg.catalog.facts import Facts
from mrl_pg.exchange import Conn, cursors
from mrl_pg.tune.rows.table import full_type


@dataclass(slots=True)
class SampleTable:
    """A temporary table of rows; `added` counts all that were ever added."""

    conn: Conn
    name: sql.Identifier
    added: int = 0
    before: int = 0

    def keep(self, rows: sql.Composable) -> sql.Composed:
        """Add the rows of a select; returns the select of these rows in the sample."""
        self.before = self.added
        statement = slots.statement("keep_rows", sample=self.name, rows=rows)
        self.added += cursors.tuples(self.conn).execute(statement).rowcount
        return slots.statement("kept_rows", sample=self.name, after=self._after())

    def forget(self, hashes: Iterable[int]) -> None:
        """Delete some of the rows that were added last."""
        cursors.tuples(self.conn).execute(
            slots.statement(
                "forget_rows",
                sample=self.name,
                after=self._after(),
                hashes=slots.array(hashes),
            )
        )

    def drop(self) -> None:
        """Drop the table; dropping it twice is no error."""
        statement = slots.statement("drop_sample", sample=self.name)
        cursors.tuples(self.conn).execute(statement)

    def _after(self) -> sql.Literal:
        # identities count from 1, and every insert succeeded
        return sql.Literal(self.before)


@contextmanager
def sample_table(conn: Conn, facts: Facts) -> Iterator[SampleTable]:
    """An empty sample for a block of code; it goes with the block or the session."""
    # by its schema, which only a temporary table can have
    name = sql.Identifier("pg_temp", f"mrl_tune_{os.urandom(4).hex()}")
    cursors.tuples(conn).execute(
        slots.statement("create_sample", sample=name, type=full_type(facts))
    )
    sample = SampleTable(conn, name)
    try:
        yield sample
    finally:
        if not conn.closed:
            sample.drop()
