"""Measures one pass over full vectors and two passes on the rows of the demo."""

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Literal

import numpy as np
import psycopg
from numpy.typing import NDArray

from mrl_pg.build import definitions
from mrl_pg.build.report import BuildReport
from mrl_pg.catalog import slots
from mrl_pg.catalog.read import forget_facts, known_facts
from mrl_pg.demo.compare import Measured, Search, measure
from mrl_pg.demo.dictionary import Dictionary, index
from mrl_pg.exchange import Conn, run
from mrl_pg.exchange.progress import OnProgress, Progress
from mrl_pg.index import MatryoshkaIndex
from mrl_pg.kinds import Kind
from mrl_pg.recall.truth import nearest
from mrl_pg.tune.trial.single_pass import SinglePass, SingleSearch, single_pass

K = 10
QUERIES = 200
SHORT: tuple[tuple[Kind, int], ...] = (("vector", 128), ("halfvec", 128), ("bit", 512))
CANDIDATES = (40, 80, 160)
EF_SEARCH = (40, 80, 160)
RIVALS: tuple[Literal["vector", "halfvec"], ...] = ("vector", "halfvec")


@dataclass(frozen=True, slots=True)
class ContestEntry:
    """An index of the contest, with its costs and its measured settings."""

    name: str
    build_seconds: float
    index_bytes: int
    measured: tuple[tuple[int, Measured], ...]
    """Settings with results: ef_search for one pass, candidates for two passes."""


def add_columns(conn: Conn) -> None:
    """Add all short columns before any index is built.

    Each new column rewrites the table, and a rewrite builds existing indexes again.
    """
    for kind, dims in SHORT:
        short = index(kind, dims)
        facts = run(conn, known_facts(conn, short))
        extension = slots.home(facts.extension_schema)
        conn.execute(
            definitions.add_short_column(short, slots.table_of(facts), extension)
        )
        forget_facts(conn, short)


def contest(
    conn: Conn,
    dictionary: Dictionary,
    ready: BuildReport,
    progress: OnProgress,
) -> list[ContestEntry]:
    """Build the other indexes, then measure every setting of every index in turn.

    `ready` is the report of the index that exists already. Recall compares with an
    exact search over full vectors. The queries are the words of `QUERIES` meanings,
    which are not rows. Build times include only `create index`.
    """
    singles: dict[str, SinglePass] = {}
    shorts: dict[str, MatryoshkaIndex] = {}
    costs: dict[str, tuple[float, int]] = {}
    for kind, dims in SHORT:
        name = f"{kind}({dims}) + full"
        progress(Progress(f"building {name}"))
        short = shorts[name] = index(kind, dims)
        report = short.create(conn) if short != ready.layout else ready
        costs[name] = report.done[-1][1], report.index_bytes
    for kind in RIVALS:
        name = f"{kind}({dictionary.model.dims}) alone"
        progress(Progress(f"building {name}"))
        single = singles[name] = single_pass(conn, index(), kind)
        costs[name] = single.create(conn), single.size(conn)
    with ExitStack() as sessions:
        searches = dict(_single_searches(conn, singles, sessions))
        searches |= dict(_two_pass_searches(conn, shorts))
        measured = _measure(searches, dictionary, progress)
    return [
        ContestEntry(
            name,
            *costs[name],
            tuple(
                (setting, measured[f"{name}: {setting}"])
                for setting in (EF_SEARCH if name in singles else CANDIDATES)
            ),
        )
        for name in (*singles, *shorts)
    ]


def _single_searches(
    conn: Conn, singles: dict[str, SinglePass], sessions: ExitStack
) -> Iterator[tuple[str, Search]]:
    """Searches with a session per ef_search, so that setting it takes no time."""
    conninfo = psycopg.conninfo.make_conninfo(
        conn.info.dsn, password=conn.info.password or None
    )
    for ef in EF_SEARCH:
        session = sessions.enter_context(
            psycopg.connect(
                conninfo,
                autocommit=True,
                # on a small table the planner would prefer to read all rows
                options=f"-c hnsw.ef_search={ef} -c enable_seqscan=off",
            )
        )
        for name, single in singles.items():
            yield f"{name}: {ef}", _keys(single.searcher(session, K))


def _keys(search: SingleSearch) -> Search:
    return lambda query: [row[0] for row in search(query)]


def _two_pass_searches(
    conn: Conn, shorts: dict[str, MatryoshkaIndex]
) -> Iterator[tuple[str, Search]]:
    for name, short in shorts.items():
        for count in CANDIDATES:

            def run(
                query: NDArray[np.float32],
                short: MatryoshkaIndex = short,
                count: int = count,
            ) -> Sequence[int]:
                return short.search(conn, query, k=K, candidates=count).keys

            yield f"{name}: {count}", run


def _measure(
    searches: dict[str, Search], dictionary: Dictionary, progress: OnProgress
) -> dict[str, Measured]:
    queries = dictionary.queries(QUERIES)
    total = 2 * len(searches) * len(queries)
    done = 0
    last = time.monotonic()

    def advance() -> None:
        nonlocal done, last
        done += 1
        if time.monotonic() - last > 0.1 or done == total:
            last = time.monotonic()
            progress(Progress("measuring", done, total))

    progress(Progress("computing the exact answers"))
    truth = nearest(dictionary.vectors, queries, k=K)
    results = measure(searches, dictionary.vectors, queries, truth, advance=advance)
    return {result.label: result for result in results}
