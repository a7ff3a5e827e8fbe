"""Tables, indexes and clients on the server of a benchmark."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import psycopg
from psycopg import sql
from psycopg.rows import TupleRow

from mrl_pg import source
from mrl_pg.bench.contender import BenchClient
from mrl_pg.bench.corpus import Corpus, below
from mrl_pg.bench.front import BenchEffort
from mrl_pg.bench.timing import Searcher, Vector
from mrl_pg.build import settings
from mrl_pg.catalog import slots
from mrl_pg.exchange import Conn, cursors
from mrl_pg.exchange.vectors import QueryVector
from mrl_pg.installation import install
from mrl_pg.kinds import OPERATORS
from mrl_pg.layout import GRAPHS, Graph
from mrl_pg.load import load_blocks
from mrl_pg.load.destination import Storage
from mrl_pg.vectors import wire

SCHEMA = "bench"
EXTENSION = slots.home("public")
"""Where the embedded server has pgvector."""


@dataclass(frozen=True, slots=True, eq=False)
class Site:
    """A server with the rows of a corpus, and what all its indexes have in common.

    `dims` is the size of every short vector. `loaded` has the seconds of each table
    that was loaded, and `built` those of each index.
    """

    url: str
    corpus: Corpus
    dims: int
    graph: Graph = GRAPHS["usual"]
    storage: Storage = "external"
    loaded: dict[str, float] = field(default_factory=dict)
    built: dict[str, float] = field(default_factory=dict)

    def connect(self) -> Conn:
        """A new connection in autocommit."""
        return psycopg.connect(self.url, autocommit=True)

    def prepare(self, conn: Conn) -> None:
        """Install mrl_pg, and make the schema of the tables."""
        install(conn)
        conn.execute(source.statement("bench_schema").encode())

    def load(self, conn: Conn, table: str) -> float:
        """Load the rows into a table if it is not there; returns the seconds it took.

        mrl_pg adds a column to its table, which would make the rows of all others
        wider. So it has a table of its own.
        """
        if table not in self.loaded:
            start = time.perf_counter()
            load_blocks(
                conn,
                self.corpus.rows,
                table,
                schema=SCHEMA,
                columns={
                    "id": np.arange(len(self.corpus.rows)),
                    "part": self.corpus.parts,
                },
                storage=self.storage,
            )
            self.loaded[table] = time.perf_counter() - start
            conn.execute(slots.statement("bench_analyze", table=named(table)))
        return self.loaded[table]

    def build(self, conn: Conn, index: str, statement: sql.Composed) -> float:
        """Create an index if it is not there; returns the seconds it took.

        The build is as parallel as the server allows. By itself, the server would not
        count TOAST when it plans how many workers a build gets.
        """
        if index not in self.built:
            small = {"min_parallel_table_scan_size": "0"}
            with conn.transaction(), settings.local_block(conn, small):
                start = time.perf_counter()
                cursors.tuples(conn).execute(statement)
                self.built[index] = time.perf_counter() - start
        return self.built[index]

    def index_statement(
        self,
        index: str,
        table: str,
        value: sql.Composable,
        operator_class: str,
        graph: Graph | None = None,
    ) -> sql.Composed:
        """The statement that creates an HNSW index, in the common graph by default."""
        chosen = graph or self.graph
        return slots.statement(
            "single_pass_index",
            index=sql.Identifier(index),
            table=named(table),
            value=value,
            extension=EXTENSION,
            operator_class=sql.Identifier(operator_class),
            m=sql.Literal(chosen.m),
            ef_construction=sql.Literal(chosen.ef_construction),
        )

    def bytes_of(self, conn: Conn, index: str, table: str) -> tuple[int, int]:
        """Bytes of an index, and of a table with its TOAST."""
        statement = slots.statement(
            "bench_bytes", index=regclass(index), table=regclass(table)
        )
        ((index_bytes, heap_bytes),) = cursors.tuples(conn).execute(statement)
        return int(index_bytes), int(heap_bytes)

    @property
    def operator(self) -> sql.SQL:
        """The operator of the corpus's distance."""
        return sql.SQL(OPERATORS[self.corpus.distance])

    def query(self, kind: str = "vector") -> sql.Composed:
        """The query parameter, cast to the type of the full column."""
        return sql.SQL("{}::{}{}({})").format(
            sql.Placeholder("query"),
            EXTENSION,
            sql.Identifier(kind),
            sql.Literal(self.corpus.dims),
        )


def named(table: str) -> sql.Identifier:
    """A table or an index in the schema of the benchmark."""
    return sql.Identifier(SCHEMA, table)


def regclass(name: str) -> sql.Literal:
    """The same as a literal, to be cast to regclass."""
    return sql.Literal(named(name).as_string())


def where(percent: float | None) -> sql.Composable:
    """The filter of a search, which the planner sees as a constant."""
    if percent is None:
        return sql.SQL("true")
    return sql.SQL("part operator(pg_catalog.<) {}").format(sql.Literal(below(percent)))


class ServerClient(BenchClient):
    """A connection with a prepared statement for each kind of search."""

    def __init__(self, site: Site, index: str) -> None:
        """Connect to the server of a site."""
        self.site, self.index = site, index
        self.conn = site.connect()
        self.cursor = cursors.searching(self.conn)
        self.state: Mapping[str, str] = {}

    def set(self, effort: BenchEffort, percent: float | None) -> None:
        """Set what the session searches with, unless it is set already.

        With a filter, pgvector has to be asked to go on where too few rows pass.
        """
        wanted = {
            "ef_search": str(effort.walked),
            "iterative_scan": "off" if percent is None else "relaxed_order",
        }
        if wanted != self.state:
            self.conn.execute(source.statement("bench_session").encode(), wanted)
            self.state = wanted

    def runs(self, statement: sql.Composable, kind: str = "vector") -> Searcher:
        """A search that sends its query in binary to a prepared statement."""
        text = statement.as_string().encode()

        def run(query: Vector) -> Sequence[int]:
            data = {"query": QueryVector(wire(query, kind), kind)}
            rows = self.cursor.execute(text, data, prepare=True).fetchall()
            return [row[0] for row in rows]

        return run

    def scans(self, search: Searcher, query: object) -> bool | None:
        """Whether a search scans its index, by the server's own count."""
        statement = slots.statement("bench_scans", index=regclass(self.index))
        with self.conn.transaction():
            before = self._count(statement)
            search(query)  # type: ignore[arg-type]
            return self._count(statement) > before

    def _count(self, statement: sql.Composed) -> int:
        rows: list[TupleRow] = cursors.tuples(self.conn).execute(statement).fetchall()
        return int(rows[0][0])

    def close(self) -> None:
        """Close the connection."""
        self.conn.close()
