"""hnswlib in the client's own process: what two passes can do without a server."""

import importlib
import os
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mrl_pg.bench.contender import BenchClient, Contender, Costs
from mrl_pg.bench.front import BenchEffort
from mrl_pg.bench.on_server import Site
from mrl_pg.bench.timing import Searcher, Vector
from mrl_pg.recall.truth import distances


class InProcess(Contender):
    """An HNSW index of prefixes, then exact order by rows in memory."""

    two_passes = True
    filters = False
    package = "hnswlib"

    def __init__(self, site: Site) -> None:
        """Take what it has in common with the others."""
        self.site = site
        self.graph: Any = None
        self.name = f"hnswlib({site.dims}), in process"

    def build(self) -> Costs:
        """Build in memory, on all cores."""
        corpus = self.site.corpus
        hnswlib = importlib.import_module("hnswlib")
        start = time.perf_counter()
        # its names of distances are ours
        self.graph = hnswlib.Index(space=corpus.distance, dim=self.site.dims)
        self.graph.init_index(
            max_elements=len(corpus.rows),
            M=self.site.graph.m,
            ef_construction=self.site.graph.ef_construction,
            random_seed=1,
        )
        # as many threads as the server has workers for a build
        self.graph.set_num_threads(os.cpu_count() or 1)
        self.graph.add_items(corpus.rows[:, : self.site.dims])
        seconds = time.perf_counter() - start
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder, "graph")
            self.graph.save_index(str(file))
            size = file.stat().st_size
        return Costs(0.0, seconds, size, corpus.rows.nbytes)

    def client(self) -> BenchClient:
        """A client in this process; all of them share the graph."""
        return _InProcessClient(self)


class _InProcessClient(BenchClient):
    def __init__(self, contender: InProcess) -> None:
        self.contender = contender

    def searcher(
        self, effort: BenchEffort, k: int, percent: float | None = None
    ) -> Searcher:
        graph, site = self.contender.graph, self.contender.site
        rows, distance = site.corpus.rows, site.corpus.distance
        graph.set_ef(effort.walked)

        def run(query: Vector) -> Sequence[int]:
            short = query[np.newaxis, : site.dims]
            labels, _ = graph.knn_query(short, k=effort.read, num_threads=1)
            places = labels[0].astype(np.int64)
            exact = distances(rows[places], query[np.newaxis], distance)[0]
            found: list[int] = places[np.argsort(exact, kind="stable")[:k]].tolist()
            return found

        return run
