"""mrl_pg: two passes by `index.search`, as a user calls it."""

from collections.abc import Sequence
from typing import Any

from mrl_pg.bench.contender import BenchClient, Contender, Costs, in_graph
from mrl_pg.bench.corpus import below
from mrl_pg.bench.front import BenchEffort
from mrl_pg.bench.on_server import SCHEMA, ServerClient, Site
from mrl_pg.bench.timing import Searcher, Vector
from mrl_pg.index import MatryoshkaIndex
from mrl_pg.kinds import KINDS, Kind
from mrl_pg.layout import GRAPHS
from mrl_pg.search.effort import has_bits


class Ours(Contender):
    """A generated short column with its index, in a table of its own."""

    two_passes = True

    def __init__(self, site: Site, kind: Kind, *, better: bool = False) -> None:
        """Bits are of all dimensions, other kinds of the common prefix.

        `better`: in the graph of `mrl-pg create --graph better`.
        """
        self.site = site
        graph = GRAPHS["better"] if better else site.graph
        bits = KINDS[kind].stored == "bits"
        dims = site.corpus.dims if bits else site.dims
        self.table = f"mrl_{kind}_better" if better else f"mrl_{kind}"
        self.layout = MatryoshkaIndex(
            self.table,
            "embedding",
            dims=dims,
            kind=kind,
            distance=site.corpus.distance,
            schema=SCHEMA,
            keep="generated",
            m=graph.m,
            ef_construction=graph.ef_construction,
        )
        self.index = self.layout.name
        self.name = in_graph(f"mrl_pg {kind}({dims})", better)

    def build(self) -> Costs:
        """Load the table, and create the index; seconds are of the index alone."""
        with self.site.connect() as conn:
            loaded = self.site.load(conn, self.table)
            report = self.layout.create(conn)
            sizes = self.site.bytes_of(conn, self.index, self.table)
        # the column is part of what it takes to build
        return Costs(loaded, sum(seconds for _, seconds in report.done), *sizes)

    def client(self) -> BenchClient:
        """A connection."""
        return _OurClient(self)


class _OurClient(ServerClient):
    def __init__(self, contender: Ours) -> None:
        super().__init__(contender.site, contender.index)
        self.layout = contender.layout

    def searcher(
        self, effort: BenchEffort, k: int, percent: float | None = None
    ) -> Searcher:
        # `search` sets ef_search itself, and heeds the rows that a scan may visit
        self.set(BenchEffort(max(k, 40)), percent)
        options: dict[str, Any] = {"k": k}
        if has_bits(self.layout) and effort.read < effort.walked:
            options |= {"candidates": effort.walked, "rerank": effort.read}
        else:
            options |= {"candidates": effort.read, "ef_search": effort.walked}
        if percent is not None:
            options["filter"] = f"part < {below(percent)}"

        def run(query: Vector) -> Sequence[int]:
            return self.layout.search(self.conn, query, **options).keys

        return run
