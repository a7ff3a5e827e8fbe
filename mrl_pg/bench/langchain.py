"""langchain-postgres: a one-pass search through LangChain's vector store."""

import importlib
from collections.abc import Sequence
from typing import Any

from mrl_pg.bench.contender import BenchClient, Contender, Costs
from mrl_pg.bench.corpus import below
from mrl_pg.bench.front import BenchEffort
from mrl_pg.bench.on_server import SCHEMA, Site
from mrl_pg.bench.recipes import TABLE, OnePass, too_long
from mrl_pg.bench.timing import Searcher, Vector
from mrl_pg.catalog import slots

VIEW = "langchain"
STRATEGIES = {
    "cosine": "COSINE_DISTANCE",
    "l2": "EUCLIDEAN",
    "ip": "INNER_PRODUCT",
}
"""Its names of distances."""


class LangChain(Contender):
    """Its `PGVectorStore`, on the table and the index of pgvector's single pass."""

    table = TABLE
    package = "langchain-postgres"

    def __init__(self, site: Site) -> None:
        """Take the site."""
        self.site = site
        self.name = f"langchain-postgres vector({site.corpus.dims})"

    def missing(self) -> str | None:
        """Its own requirements exclude the pgvector that mrl_pg needs."""
        if super().missing() is not None:
            return (
                "langchain-postgres is not installed: pip install langchain-core "
                "asyncpg psycopg-pool, then pip install --no-deps langchain-postgres"
            )
        return too_long(self.site, "vector")

    def build(self) -> Costs:
        """Build the index, and show the table in the form that it expects."""
        costs = OnePass(self.site, "vector").build()
        with self.site.connect() as conn:
            conn.execute(slots.statement("bench_langchain_view"))
        return costs

    def client(self) -> BenchClient:
        """An engine of its own, whose pool has one connection."""
        return _LangChainClient(self.site)


class _LangChainClient(BenchClient):
    def __init__(self, site: Site) -> None:
        self.site = site
        self.engines: dict[bool, Any] = {}

    def engine(self, filtered: bool) -> Any:
        """Its sessions have the settings that those of the other contenders have."""
        if filtered not in self.engines:
            module = importlib.import_module("langchain_postgres")
            scan = "relaxed_order" if filtered else "off"
            options = f"-c enable_seqscan=off -c hnsw.iterative_scan={scan}"
            self.engines[filtered] = module.PGEngine.from_connection_string(
                self.site.url.replace("postgresql:", "postgresql+psycopg:", 1),
                pool_size=1,
                connect_args={"options": options},
            )
        return self.engines[filtered]

    def searcher(
        self, effort: BenchEffort, k: int, percent: float | None = None
    ) -> Searcher:
        module = importlib.import_module("langchain_postgres")
        indexes = importlib.import_module("langchain_postgres.v2.indexes")
        fake = importlib.import_module("langchain_core.embeddings")
        store = module.PGVectorStore.create_sync(
            self.engine(percent is not None),
            # all vectors are given, so it embeds nothing
            fake.DeterministicFakeEmbedding(size=self.site.corpus.dims),
            VIEW,
            schema_name=SCHEMA,
            id_column="id",
            metadata_columns=["part"],
            distance_strategy=getattr(
                indexes.DistanceStrategy, STRATEGIES[self.site.corpus.distance]
            ),
            index_query_options=indexes.HNSWQueryOptions(ef_search=effort.walked),
        )
        passing = None if percent is None else {"part": {"$lt": below(percent)}}

        def run(query: Vector) -> Sequence[int]:
            found = store.similarity_search_by_vector(
                query.tolist(), k=k, filter=passing
            )
            return [int(each.id) for each in found]

        return run
