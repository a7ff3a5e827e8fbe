"""pgvector by itself: one pass, and the two recipes of its manual for two passes."""

from typing import Literal

from psycopg import sql

from mrl_pg.bench.contender import BenchClient, Contender, Costs, in_graph
from mrl_pg.bench.front import BenchEffort
from mrl_pg.bench.on_server import EXTENSION, ServerClient, Site, named, where
from mrl_pg.bench.timing import Searcher
from mrl_pg.catalog import slots
from mrl_pg.kinds import KINDS, Kind
from mrl_pg.layout import GRAPHS

TABLE = "docs"
BETTER_TABLE = "docs_better"
FULL = sql.Identifier("embedding")
FULL_TYPE = "vector"


class OnePass(Contender):
    """An HNSW index over all dimensions, of vectors or of their `halfvec`."""

    table = TABLE

    def __init__(
        self, site: Site, kind: Literal["vector", "halfvec"], *, better: bool = False
    ) -> None:
        """Take the site, the type of the index, and whether its graph is better."""
        self.site, self.kind = site, kind
        self.graph = GRAPHS["better"] if better else site.graph
        self.index = f"one_pass_{kind}"
        if better:
            self.index += "_better"
            # of two indexes over the same values the planner takes either
            self.table = BETTER_TABLE
        self.name = in_graph(f"pgvector {kind}({site.corpus.dims})", better)

    def missing(self) -> str | None:
        """An index over too many dimensions cannot be built."""
        return too_long(self.site, self.kind)

    def build(self) -> Costs:
        """Build over the column, or over its cast."""
        operator_class = f"{self.kind}_{self.site.corpus.distance}_ops"
        statement = self.site.index_statement(
            self.index, self.table, self.value, operator_class, self.graph
        )
        return built(self.site, self.index, statement, self.table)

    @property
    def value(self) -> sql.Composable:
        """What is indexed and ordered by."""
        if self.kind == FULL_TYPE:
            return FULL
        dims = sql.Literal(self.site.corpus.dims)
        return sql.SQL("({}::{}halfvec({}))").format(FULL, EXTENSION, dims)

    def client(self) -> BenchClient:
        """A connection."""
        return _OnePassClient(self)


class _OnePassClient(ServerClient):
    def __init__(self, contender: OnePass) -> None:
        super().__init__(contender.site, contender.index)
        self.contender = contender

    def searcher(
        self, effort: BenchEffort, k: int, percent: float | None = None
    ) -> Searcher:
        self.set(effort, percent)
        statement = slots.statement(
            "bench_one_pass",
            table=named(self.contender.table),
            passing=where(percent),
            value=self.contender.value,
            extension=EXTENSION,
            operator=self.site.operator,
            query=self.site.query(self.contender.kind),
            k=sql.Literal(k),
        )
        return self.runs(statement, self.contender.kind)


class Recipe(Contender):
    """A recipe of the manual: an index on an expression, then exact order."""

    two_passes = True
    table = TABLE

    def __init__(self, site: Site, kind: Literal["subvector", "binary"]) -> None:
        """Take the site, and which of the two it is."""
        self.site, self.kind = site, kind
        self.index = f"recipe_{kind}"
        dims = site.dims if kind == "subvector" else site.corpus.dims
        self.name = f"pgvector {kind}({dims})"

    def missing(self) -> str | None:
        """An index over too many dimensions cannot be built."""
        return too_long(self.site, "bit") if self.kind == "binary" else None

    @property
    def operator(self) -> sql.SQL:
        """The operator of the first pass."""
        return sql.SQL("<~>") if self.kind == "binary" else self.site.operator

    def short(self, full: sql.Composable) -> sql.Composed:
        """The short value of a full one."""
        if self.kind == "binary":
            dims = sql.Literal(self.site.corpus.dims)
            return slots.statement(
                "bench_binary", extension=EXTENSION, full=full, full_dims=dims
            )
        dims = sql.Literal(self.site.dims)
        return slots.statement(
            "bench_subvector", extension=EXTENSION, full=full, dims=dims
        )

    def build(self) -> Costs:
        """Build over the expression."""
        operator_class = f"vector_{self.site.corpus.distance}_ops"
        if self.kind == "binary":
            operator_class = "bit_hamming_ops"
        value = sql.SQL("({})").format(self.short(FULL))
        statement = self.site.index_statement(self.index, TABLE, value, operator_class)
        return built(self.site, self.index, statement)

    def client(self) -> BenchClient:
        """A connection."""
        return _RecipeClient(self)


class _RecipeClient(ServerClient):
    def __init__(self, contender: Recipe) -> None:
        super().__init__(contender.site, contender.index)
        self.contender = contender

    def searcher(
        self, effort: BenchEffort, k: int, percent: float | None = None
    ) -> Searcher:
        self.set(effort, percent)
        statement = slots.statement(
            "bench_two_passes",
            table=named(TABLE),
            passing=where(percent),
            short=self.contender.short(FULL),
            extension=EXTENSION,
            short_operator=self.contender.operator,
            short_query=self.contender.short(self.site.query()),
            read=sql.Literal(effort.read),
            operator=self.site.operator,
            query=self.site.query(),
            k=sql.Literal(k),
        )
        return self.runs(statement)


def too_long(site: Site, kind: Kind) -> str | None:
    """Why pgvector refuses an index over all dimensions; None if it does not."""
    most = KINDS[kind].most_dims
    if site.corpus.dims <= most:
        return None
    return (
        f"pgvector indexes at most {most} dimensions of {kind}, and these vectors have "
        f"{site.corpus.dims}"
    )


def built(site: Site, index: str, statement: sql.Composed, table: str = TABLE) -> Costs:
    """Load a table, by default the common one, and build an index on it."""
    with site.connect() as conn:
        loaded = site.load(conn, table)
        seconds = site.build(conn, index, statement)
        return Costs(loaded, seconds, *site.bytes_of(conn, index, table))
