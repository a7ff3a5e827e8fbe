"""The rival: one HNSW pass over full vectors, as `vector` or cast to `halfvec`."""

import time
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from psycopg import Cursor, sql

from mrl_pg import catalog, render, search, source
from mrl_pg.catalog import Conn
from mrl_pg.facts import Facts
from mrl_pg.layout import IndexLayout, fit
from mrl_pg.plan import QueryVector
from mrl_pg.vectors import wire


@dataclass(frozen=True, slots=True)
class SinglePass:
    """An HNSW index over a layout's full column; for comparison, not for use.

    It has the layout's distance, m and ef_construction.
    """

    layout: IndexLayout
    kind: Literal["vector", "halfvec"]
    facts: Facts

    @property
    def name(self) -> str:
        """Name of the index."""
        return fit(f"{self.layout.table}_{self.layout.column}", f"_{self.kind}_single")

    def create(self, conn: Conn) -> float:
        """Build the index, over the column or over its cast; seconds it took."""
        slots = self._slots()
        conn.execute(
            render.template(
                "set_parallel_workers", table=slots["table"], workers=sql.Literal(2)
            )
        )
        start = time.perf_counter()
        conn.execute(
            render.template(
                "single_pass_index",
                index=sql.Identifier(self.name),
                operator_class=sql.Identifier(
                    f"{self.kind}_{self.layout.distance}_ops"
                ),
                m=sql.Literal(self.layout.m),
                ef_construction=sql.Literal(self.layout.ef_construction),
                **slots,
            )
        )
        return time.perf_counter() - start

    def size(self, conn: Conn) -> int:
        """Bytes of the index."""
        query = source.statement("queries/index_bytes.sql").encode()
        names = {"schema": self.facts.schema, "index_name": self.name}
        return int(conn.execute(query, names).fetchall()[0][0])

    def drop(self, conn: Conn) -> None:
        """Drop the index."""
        index = sql.Identifier(self.facts.schema, self.name)
        conn.execute(render.template("drop_index", index=index))

    def searcher(self, conn: Conn, k: int) -> "SingleSearch":
        """A prepared search for k rows; `hnsw.ef_search` is the session's own."""
        facts = replace(self.facts, full_type=self.kind)
        statement = render.template(
            "single_pass",
            key=sql.Identifier(self.facts.keys[0]),
            operator=sql.SQL(self.layout.operator),
            query=render.query(facts, sql.Placeholder("query")),
            k=sql.Literal(k),
            **self._slots(),
        )
        return SingleSearch(search.open_cursor(conn), statement.as_bytes(), self.kind)

    def _slots(self) -> dict[str, sql.Composable]:
        column = sql.Identifier(self.layout.column)
        cast = render.query(replace(self.facts, full_type=self.kind), column)
        same = self.kind == self.facts.full_type
        return {
            "value": column if same else sql.SQL("({})").format(cast),
            "table": sql.Identifier(self.facts.schema, self.facts.table),
            "extension": sql.Identifier(self.facts.extension_schema),
        }


@dataclass(frozen=True, slots=True)
class SingleSearch:
    """A search that is ready to run again and again."""

    cursor: Cursor[tuple[Any, ...]]
    statement: bytes
    kind: str

    def __call__(self, query: NDArray[np.float32]) -> list[tuple[Any, ...]]:
        """Rows of key and distance, nearest first."""
        data = {"query": QueryVector(wire(query, self.kind))}
        return self.cursor.execute(self.statement, data, prepare=True).fetchall()


def single_pass(
    conn: Conn, layout: IndexLayout, kind: Literal["vector", "halfvec"]
) -> SinglePass:
    """The rival of a layout, on the same table and graph parameters."""
    return SinglePass(layout, kind, catalog.facts(conn, layout))
