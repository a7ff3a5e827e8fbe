"""Other engines for vectors, in the client's own process, by their packages."""

import importlib
import shutil
import tempfile
import time
from abc import abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mrl_pg.bench.contender import BenchClient, Contender, Costs
from mrl_pg.bench.front import BenchEffort
from mrl_pg.bench.on_server import Site
from mrl_pg.bench.timing import Searcher, Vector

BATCH = 5000
"""Rows that are added at once; Chroma takes no more than 5461."""

METRICS = {"cosine": "cosine", "l2": "l2", "ip": "dot"}
"""LanceDB's names of distances."""


class Engine(Contender):
    """An engine that keeps its data in a folder of its own, removed at the end."""

    filters = False

    def __init__(self, site: Site) -> None:
        """Take what it has in common with the others."""
        self.site = site
        self.folder = Path(tempfile.gettempdir(), "")
        self.handle: Any = None

    def build(self) -> Costs:
        """Load the rows, and build the index; an engine may do both at once."""
        self.folder = Path(tempfile.mkdtemp(prefix="mrl_pg_bench_"))
        start = time.perf_counter()
        self.load()
        loaded = time.perf_counter()
        self.index()
        done = time.perf_counter()
        files = [file for file in self.folder.rglob("*") if file.is_file()]
        index = sum(file.stat().st_size for file in files if self.is_index(file))
        every = sum(file.stat().st_size for file in files)
        return Costs(loaded - start, done - loaded, index, every - index)

    @abstractmethod
    def load(self) -> None:
        """Add the rows."""

    @abstractmethod
    def index(self) -> None:
        """Build the index."""

    @abstractmethod
    def is_index(self, file: Path) -> bool:
        """Whether a file of the folder belongs to the index."""

    def remove(self) -> None:
        """Delete the folder."""
        if self.handle is not None:
            self.handle = None
            shutil.rmtree(self.folder, ignore_errors=True)


class Chroma(Engine):
    """Chroma's HNSW index, which grows as rows are added; one pass."""

    name = "Chroma, in process"
    package = "chromadb"

    def load(self) -> None:
        """Add the rows in batches, which builds the index."""
        chroma = importlib.import_module("chromadb")
        settings = chroma.config.Settings(anonymized_telemetry=False)
        client = chroma.PersistentClient(str(self.folder), settings=settings)
        self.handle = client.create_collection(
            "docs",
            configuration={
                "hnsw": {
                    "space": self.site.corpus.distance,
                    "max_neighbors": self.site.graph.m,
                    "ef_construction": self.site.graph.ef_construction,
                }
            },
        )
        rows = self.site.corpus.rows
        for first in range(0, len(rows), BATCH):
            some = rows[first : first + BATCH]
            ids = [str(i) for i in range(first, first + len(some))]
            self.handle.add(ids=ids, embeddings=some)

    def index(self) -> None:
        """Nothing is left to do."""

    def is_index(self, file: Path) -> bool:
        """Vectors and graph are in the same files."""
        return file.suffix == ".bin"

    def client(self) -> BenchClient:
        """All clients share the collection."""
        return _ChromaClient(self.handle)


class _ChromaClient(BenchClient):
    def __init__(self, collection: Any) -> None:
        self.collection = collection

    def searcher(
        self, effort: BenchEffort, k: int, percent: float | None = None
    ) -> Searcher:
        self.collection.modify(configuration={"hnsw": {"ef_search": effort.walked}})

        def run(query: Vector) -> Sequence[int]:
            found = self.collection.query(
                query_embeddings=query[np.newaxis], n_results=k, include=[]
            )
            return [int(each) for each in found["ids"][0]]

        return run


class Lance(Engine):
    """LanceDB's IVF_HNSW_SQ: HNSW over 8-bit values, then exact order."""

    name = "LanceDB, in process"
    package = "lancedb"
    two_passes = True

    def load(self) -> None:
        """Write the rows as one table."""
        arrow = importlib.import_module("pyarrow")
        lance = importlib.import_module("lancedb")
        rows = self.site.corpus.rows
        flat = arrow.array(rows.reshape(-1))
        table = arrow.table(
            {
                "id": np.arange(len(rows)),
                "vector": arrow.FixedSizeListArray.from_arrays(flat, rows.shape[1]),
            }
        )
        self.handle = lance.connect(str(self.folder)).create_table("docs", table)

    def index(self) -> None:
        """Build, with one partition: all of the graph is searched, as elsewhere."""
        self.handle.create_index(
            metric=METRICS[self.site.corpus.distance],
            index_type="IVF_HNSW_SQ",
            num_partitions=1,
            m=self.site.graph.m,
            ef_construction=self.site.graph.ef_construction,
        )

    def is_index(self, file: Path) -> bool:
        """Indexes have a folder of their own."""
        return "_indices" in file.parts

    def client(self) -> BenchClient:
        """All clients share the table."""
        return _LanceClient(self.handle, METRICS[self.site.corpus.distance])

    def efforts(self, k: int) -> Sequence[BenchEffort]:
        """It reads whole multiples of k in full."""
        walked = sorted({max(k, count) for count in (20, 40, 80, 160, 320, 640)})
        return [
            BenchEffort(count, k * times)
            for count in walked
            for times in (2, 5)
            if k * times <= count
        ]


class _LanceClient(BenchClient):
    def __init__(self, table: Any, metric: str) -> None:
        self.table, self.metric = table, metric

    def searcher(
        self, effort: BenchEffort, k: int, percent: float | None = None
    ) -> Searcher:
        def run(query: Vector) -> Sequence[int]:
            search = self.table.search(query).distance_type(self.metric)
            search = search.nprobes(1).ef(effort.walked).refine_factor(effort.read // k)
            found = search.select(["id", "_distance"]).limit(k).to_arrow()
            ids: list[int] = found["id"].to_pylist()
            return ids

        return run
