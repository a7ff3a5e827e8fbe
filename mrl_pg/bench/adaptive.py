"""Adaptive retrieval as published: a function in SQL, as it stands and mended.

It is the function of "Matryoshka embeddings: faster OpenAI vector search using Adaptive
Retrieval" (Supabase, 2024), with names qualified and the sizes of the corpus. It takes
8 k candidates, but an HNSW scan ends after `hnsw.ef_search` rows, 40 by default, which
the article does not set. The mended one is the same function with a larger setting.
"""

from collections.abc import Sequence

from psycopg import sql

from mrl_pg.bench.contender import BenchClient, Contender, Costs, ladder
from mrl_pg.bench.front import BenchEffort
from mrl_pg.bench.on_server import EXTENSION, ServerClient, Site
from mrl_pg.bench.recipes import FULL, TABLE, built
from mrl_pg.bench.timing import Searcher
from mrl_pg.catalog import slots

DEFAULT_EF = 40
TIMES = 8
INDEX = "adaptive_sub_vector"


class Adaptive(Contender):
    """The function of the article."""

    two_passes = True
    table = TABLE
    filters = False

    def __init__(self, site: Site, *, mended: bool) -> None:
        """`mended`: the session sets `hnsw.ef_search`."""
        self.site, self.mended = site, mended
        self.name = f"adaptive({site.dims}), {'mended' if mended else 'as published'}"

    def efforts(self, k: int) -> Sequence[BenchEffort]:
        """The one effort that it has, or those that walk over all its candidates."""
        if not self.mended:
            return [BenchEffort(DEFAULT_EF, TIMES * k)]
        # pgvector walks over 1000 rows at most
        least = min(TIMES * k, 1000)
        walked = {max(least, effort.walked) for effort in ladder(k, two_passes=False)}
        return [BenchEffort(count, TIMES * k) for count in sorted(walked)]

    def build(self) -> Costs:
        """Make both functions, and build the index."""
        dims = sql.Literal(self.site.dims)
        steps = (
            slots.statement("bench_sub_vector", extension=EXTENSION),
            slots.statement(
                "bench_adaptive",
                extension=EXTENSION,
                full_dims=sql.Literal(self.site.corpus.dims),
                dims=dims,
                operator=self.site.operator,
            ),
        )
        with self.site.connect() as conn:
            self.site.load(conn, TABLE)
            if INDEX not in self.site.built:
                for step in steps:
                    conn.execute(step)
        value = slots.statement(
            "bench_sub_vector_value", extension=EXTENSION, full=FULL, dims=dims
        )
        statement = self.site.index_statement(
            INDEX,
            TABLE,
            sql.SQL("({})").format(value),
            f"vector_{self.site.corpus.distance}_ops",
        )
        return built(self.site, INDEX, statement)

    def client(self) -> BenchClient:
        """A connection."""
        return _AdaptiveClient(self.site, INDEX)


class _AdaptiveClient(ServerClient):
    def searcher(
        self, effort: BenchEffort, k: int, percent: float | None = None
    ) -> Searcher:
        self.set(effort, percent)
        statement = slots.statement(
            "bench_adaptive_search", query=self.site.query(), k=sql.Literal(k)
        )
        return self.runs(statement)
