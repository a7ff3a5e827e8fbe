"""The rival of a short index: one HNSW pass over full vectors or their `halfvec`."""

import time
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from psycopg import Cursor, sql

from mrl_pg import source
from mrl_pg.build import definitions, settings
from mrl_pg.catalog import slots
from mrl_pg.catalog.facts import Facts
from mrl_pg.catalog.read import known_facts
from mrl_pg.exchange import Conn, cursors, run
from mrl_pg.exchange.vectors import QueryVector
from mrl_pg.layout import IndexLayout, fit
from mrl_pg.vectors import wire


@dataclass(frozen=True, slots=True)
class SinglePass:
    """An HNSW index over a layout's full column, only for comparison.

    It has the distance, m and ef_construction of the layout.
    """

    layout: IndexLayout
    kind: Literal["vector", "halfvec"]
    facts: Facts

    @property
    def name(self) -> str:
        """The name of the index."""
        return fit(f"{self.layout.table}_{self.layout.column}", f"_{self.kind}_single")

    def create(self, conn: Conn) -> float:
        """Build the index over the column or its cast; returns the seconds it took.

        The build is as parallel as the server allows. By itself, the server would not
        count TOAST when it plans how many workers a build gets.
        """
        statement = slots.statement(
            "single_pass_index",
            index=sql.Identifier(self.name),
            table=sql.Identifier(self.facts.schema, self.facts.table),
            value=self._value(self.facts, sql.Identifier(self.layout.column)),
            extension=slots.home(self.facts.extension_schema),
            operator_class=sql.Identifier(f"{self.kind}_{self.layout.distance}_ops"),
            m=sql.Literal(self.layout.m),
            ef_construction=sql.Literal(self.layout.ef_construction),
        )
        small = {"min_parallel_table_scan_size": "0"}
        with conn.transaction(), settings.local_block(conn, small):
            start = time.perf_counter()
            cursors.tuples(conn).execute(statement)
            return time.perf_counter() - start

    def size(self, conn: Conn) -> int:
        """Bytes of the index."""
        query = source.statement("index_bytes").encode()
        names = {"schema": self.facts.schema, "index_name": self.name}
        return int(cursors.tuples(conn).execute(query, names).fetchall()[0][0])

    def drop(self, conn: Conn) -> None:
        """Drop the index."""
        cursors.tuples(conn).execute(
            definitions.drop_index(sql.Identifier(self.facts.schema, self.name))
        )

    def searcher(self, conn: Conn, k: int) -> "SingleSearch":
        """A prepared search for k rows, with the session's `hnsw.ef_search`."""
        # a percent sign in a name is doubled, because the statement has a placeholder
        home = self.facts.extension_schema.replace("%", "%%")
        facts = replace(self.facts, extension_schema=home)
        wanted = replace(facts, full_type=self.kind)
        statement = slots.statement(
            "single_pass",
            key=slots.name(facts.keys[0]),
            value=self._value(facts, slots.name(self.layout.column)),
            table=slots.name(facts.schema, facts.table),
            extension=slots.home(home),
            operator=sql.SQL(self.layout.operator),
            query=slots.query(wanted, sql.Placeholder("query")),
            k=sql.Literal(k),
        )
        return SingleSearch(cursors.searching(conn), statement.as_bytes(), self.kind)

    def _value(self, facts: Facts, column: sql.Identifier) -> sql.Composable:
        if self.kind == facts.full_type:
            return column
        cast = slots.query(replace(facts, full_type=self.kind), column)
        return sql.SQL("({})").format(cast)


@dataclass(frozen=True, slots=True)
class SingleSearch:
    """A prepared search that can run many times."""

    cursor: Cursor[tuple[Any, ...]]
    statement: bytes
    kind: str

    def __call__(self, query: NDArray[np.float32]) -> list[tuple[Any, ...]]:
        """The key and distance of each row, nearest first."""
        data = {"query": QueryVector(wire(query, self.kind), self.kind)}
        return self.cursor.execute(self.statement, data, prepare=True).fetchall()


def single_pass(
    conn: Conn, layout: IndexLayout, kind: Literal["vector", "halfvec"]
) -> SinglePass:
    """The rival of a layout, on the same table with the same graph parameters."""
    return SinglePass(layout, kind, run(conn, known_facts(conn, layout)))
