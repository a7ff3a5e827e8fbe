"""Compare the LangChain stores of mrl_pg and langchain-postgres, in one run.

    pip install --no-deps langchain-postgres
    python benchmarks/langchain_stores.py --vectors sentences.npy --texts sentences.txt

Both get the same texts, ids and metadata, through `add_texts`, in turns of 1,000, and
embed them by looking up vectors of the file, so that neither waits for a model. First
without an index. Then each gets its own: mrl_pg a short column and its index,
langchain-postgres HNSW over full vectors, which pgvector builds for at most 2,000
dimensions. Then 1,000 more texts with the index in place. Then searches by vector,
whose answers are compared with exact ones in NumPy: query by query and effort by
effort in turn, three rounds. Ratios are of rates at equal recall, by interpolation.

The last rows of the file are the queries, and no rows of the tables.
"""

import argparse
import statistics
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
from langchain_core.embeddings import Embeddings
from numpy.typing import NDArray

import mrl_pg
from mrl_pg import MatryoshkaIndex
from mrl_pg.adapters.langchain import MatryoshkaVectorStore
from mrl_pg.bench.front import Spread, rate_at
from mrl_pg.bench.own_server import own_server
from mrl_pg.recall.truth import nearest

Floats = NDArray[np.float32]
Store = Any
"""Either store: their methods have one form."""

TURN = 1000
WALKED = (10, 20, 40, 80, 160, 320, 640)
RECALLS = (0.9, 0.95, 0.97, 0.99)
K = 10


class Known(Embeddings):
    """Embeds texts by looking them up."""

    def __init__(self, texts: Sequence[str], vectors: Floats) -> None:
        """Take the texts and their vectors."""
        self.places = {text: place for place, text in enumerate(texts)}
        self.vectors = vectors

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """The vectors of these texts."""
        rows: list[list[float]] = self.vectors[[self.places[t] for t in texts]].tolist()
        return rows

    def embed_query(self, text: str) -> list[float]:
        """The vector of this text."""
        return self.embed_documents([text])[0]


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--vectors", type=Path, required=True, help=".npy")
    parser.add_argument("--texts", type=Path, help="a text on each line")
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--queries", type=int, default=200)
    parser.add_argument("--dims", type=int, default=256)
    parser.add_argument("--kind", default="halfvec")
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    matrix = np.load(args.vectors, mmap_mode="r")
    rows = np.array(matrix[: args.rows + TURN], dtype=np.float32)
    queries = np.array(matrix[-args.queries :], dtype=np.float32)
    texts = texts_of(args.texts, len(rows))
    print(f"{args.rows:,} texts x {rows.shape[1]}, {args.dims} {args.kind}, k = {K}")
    with own_server(18) as own:
        with psycopg.connect(own.url, autocommit=True) as conn:
            mrl_pg.install(conn)
        known = Known(texts, rows)
        stores = {
            "mrl_pg": MatryoshkaVectorStore(known, own.url),
            "langchain-postgres": postgres_store(known, own.url, rows.shape[1]),
        }
        ingest(stores, texts, 0, args.rows, "without an index")
        index = MatryoshkaIndex(
            "documents", "embedding", dims=args.dims, kind=args.kind
        )
        builds: dict[str, Callable[[], object]] = {
            "mrl_pg": lambda: build(own.url, index),
            "langchain-postgres": lambda: apply_index(stores["langchain-postgres"]),
        }
        for name, make in builds.items():
            began = time.perf_counter()
            make()
            print(f"  {name}: index in {time.perf_counter() - began:.0f} s")
        ingest(stores, texts, args.rows, len(rows), "with it")
        truth = nearest(rows, queries, k=K, distance="cosine").rows
        search(stores, own.url, known, queries, truth, args.rounds)


def texts_of(path: Path | None, count: int) -> list[str]:
    """As many different texts: lines of a file, with their numbers before them."""
    if path is None:
        return [f"text {number}" for number in range(count)]
    with path.open(encoding="utf-8") as file:
        return [f"{n} {line.strip()}" for n, line in zip(range(count), file)]  # noqa: B905


def postgres_store(
    known: Known, url: str, size: int, ef_search: int | None = None
) -> Store:
    """The store of langchain-postgres; its table is made with the first one."""
    from langchain_postgres import PGEngine, PGVectorStore
    from langchain_postgres.v2.indexes import HNSWQueryOptions

    engine = PGEngine.from_connection_string(
        url.replace("postgresql:", "postgresql+psycopg:", 1)
    )
    if ef_search is None:
        engine.init_vectorstore_table("theirs", size, id_column="id")
    options = None if ef_search is None else HNSWQueryOptions(ef_search=ef_search)
    return PGVectorStore.create_sync(
        engine, known, "theirs", id_column="id", index_query_options=options
    )


def apply_index(store: Store) -> None:
    """Build HNSW over full vectors."""
    from langchain_postgres.v2.indexes import HNSWIndex

    store.apply_vector_index(HNSWIndex())


def build(url: str, index: MatryoshkaIndex) -> None:
    """Build the short column and its index."""
    with psycopg.connect(url, autocommit=True) as conn:
        index.create(conn, rebuild=True)


def ingest(
    stores: dict[str, Store], texts: Sequence[str], first: int, end: int, how: str
) -> None:
    """Add texts to all stores in turns, and print the rates."""
    took: dict[str, list[float]] = {name: [] for name in stores}
    for start in range(first, end, TURN):
        part = list(texts[start : min(end, start + TURN)])
        ids = [str(uuid_of(number)) for number in range(start, start + len(part))]
        for name in sorted(stores, reverse=start // TURN % 2 == 1):
            began = time.perf_counter()
            stores[name].add_texts(part, [{"n": i} for i in ids], ids=ids)
            took[name].append(len(part) / (time.perf_counter() - began))
    theirs = took["langchain-postgres"]
    ratios = [ours / other for ours, other in zip(took["mrl_pg"], theirs, strict=True)]
    rates = ", ".join(f"{n} {statistics.median(r):.0f}/s" for n, r in took.items())
    print(f"  add_texts {how}: {rates}; ratio {Spread.of(ratios)}")


def uuid_of(number: int) -> str:
    """The id of a text: its number as a UUID, which langchain-postgres wants."""
    return f"00000000-0000-0000-0000-{number:012d}"


def search(
    stores: dict[str, Store],
    url: str,
    known: Known,
    queries: Floats,
    truth: Any,
    rounds: int,
) -> None:
    """Time searches of both stores in turns, and print rates at equal recall."""
    ours = stores["mrl_pg"]
    size = known.vectors.shape[1]
    efforts: dict[tuple[str, int], Callable[[list[float]], Any]] = {}
    for walked in WALKED:
        efforts["mrl_pg", walked] = partial(
            ours.similarity_search_by_vector, k=K, candidates=walked
        )
        other = postgres_store(known, url, size, walked)
        efforts["langchain-postgres", walked] = partial(
            other.similarity_search_by_vector, k=K
        )
    seconds: dict[tuple[str, int], list[list[float]]] = {e: [] for e in efforts}
    hits = dict.fromkeys(efforts, 0)
    asked = queries.tolist()
    for round_number in range(rounds + 1):
        for effort in seconds:
            seconds[effort].append([])
        for place, query in enumerate(asked):
            for effort, run in efforts.items():
                began = time.perf_counter()
                found = run(query)
                seconds[effort][-1].append(time.perf_counter() - began)
                if round_number == 0:
                    ids = {int(document.id[-12:]) for document in found}
                    hits[effort] += len(ids & set(map(int, truth[place])))
    recalls = {e: count / (K * len(asked)) for e, count in hits.items()}
    fronts: list[dict[str, list[tuple[float, float]]]] = []
    # the first round warms up
    for number in range(1, rounds + 1):
        front: dict[str, list[tuple[float, float]]] = {name: [] for name in stores}
        for (name, walked), windows in seconds.items():
            rate = 1 / statistics.median(windows[number])
            front[name].append((recalls[name, walked], rate))
        fronts.append(front)
    for (name, walked), windows in seconds.items():
        middle = statistics.median(statistics.median(w) for w in windows[1:])
        found_share = recalls[name, walked]
        print(f"  {name} {walked}: recall {found_share:.3f}, {middle * 1e3:.2f} ms")
    for recall in RECALLS:
        rates = [[rate_at(f[name], recall) for name in stores] for f in fronts]
        if any(rate is None for pair in rates for rate in pair):
            print(f"  at {recall}: not reached by both")
            continue
        ratios = [a / b for a, b in rates]  # type: ignore[operator]
        print(f"  searches per second at {recall}: ratio {Spread.of(ratios)}")


if __name__ == "__main__":
    main()
