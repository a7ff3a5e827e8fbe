"""Measures searches under a memory limit, on an embedded server of its own."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial

import numpy as np
import psycopg
from psycopg import sql

from mrl_pg.catalog import slots
from mrl_pg.catalog.facts import Facts
from mrl_pg.catalog.read import known_facts
from mrl_pg.errors import MrlError
from mrl_pg.exchange import Conn, cursors, run
from mrl_pg.exchange.progress import OnProgress, Progress
from mrl_pg.layout import IndexLayout
from mrl_pg.server import VERSIONS
from mrl_pg.server.memory import LEAST_BYTES, MemoryLimit, why_not
from mrl_pg.tune.budget import Budget
from mrl_pg.tune.option import Option
from mrl_pg.tune.queries import Queries
from mrl_pg.tune.rows.table import TableFacts, full_type
from mrl_pg.tune.trial import run_settings as trial
from mrl_pg.tune.trial.memory import Memory, Squeezed, with_times
from mrl_pg.tune.trial.run_settings import Setting
from mrl_pg.tune.trial.scratch import Scratch, scratch

MOST_TIMED = 100
"""Queries to time. All others fill the memory before."""

FEWEST_QUERIES = 20

RECEIVED = sql.Identifier("public", "received")


def not_here(
    conn: Conn, table: TableFacts, share: float, *, plan: bool, queries: int
) -> str:
    """Why searches cannot be measured under a limit; empty if they can."""
    limit = limit_of(table, share)
    if plan:
        return "--plan (plan=True in Python) measures nothing"
    if limit < LEAST_BYTES:
        return (
            f"the rows read would have {limit / 1e6:,.0f} MB of it, and a server "
            f"needs {LEAST_BYTES / 1e6:,.0f} MB"
        )
    if queries < 2 * FEWEST_QUERIES:
        return f"{queries} queries are too few to fill the memory and time others"
    host = conn.info.host
    if not host.startswith("/"):
        return (
            "the server is reached by TCP, so it may be on another machine with "
            "another disk"
        )
    return why_not() or ""


def limit_of(table: TableFacts, share: float) -> int:
    """The memory for the rows read: as small a share of all as they are of the rows."""
    return int(share * (table.memory_bytes or 0))


def measure(
    place: Scratch,
    memory: Memory,
    searches: Sequence[Squeezed],
    queries: Queries,
    share: float,
    budget: Budget,
    progress: OnProgress,
) -> Memory:
    """The memory with the measured times of some searches.

    Every search starts with empty caches, and answers queries until memory is full
    before it is timed. No query is asked twice. If the server cannot be started or the
    time is up, the memory is as it was, with the reason.
    """
    limit_bytes = limit_of(place.table, share)
    times: dict[tuple[str, bool], float] = {}
    try:
        with _place(place, progress) as (own, limit):
            made: list[tuple[Squeezed, Setting]] = []
            for storage in (False, True):
                same = [s for s in searches if s.in_row == storage]
                settings = _settings(own, same, budget, progress) if same else []
                if settings is None:
                    return replace(memory, why_not="the time was up")
                made += zip(same, settings, strict=True)
            for search, setting in made:
                progress(Progress(f"measuring {search.name} under a memory limit"))
                limit.set(limit_bytes)
                times[search.point.setting, search.in_row] = _timed(setting, queries)
    except (MrlError, OSError, psycopg.OperationalError) as error:
        return replace(memory, why_not=f"the limited server failed: {error}")
    return with_times(memory, times, limit_bytes)


@contextmanager
def _place(
    place: Scratch, progress: OnProgress
) -> Iterator[tuple[Scratch, MemoryLimit]]:
    """The rows of a copy on a server of its own, whose memory can be limited."""
    # late, because most who tune limit nothing
    from mrl_pg.server.limited import limited

    major = int(place.table.server.split(".")[0])
    version = major if major in VERSIONS else VERSIONS[0]
    progress(Progress("copying rows to a server with less memory"))
    with (
        limited(version) as (server, limit),
        psycopg.connect(server.url(), hostaddr="", autocommit=True) as conn,
    ):
        _send(place, conn)
        layout = IndexLayout("received", "embedding", dims=1, schema="public")
        facts: Facts = run(conn, known_facts(conn, layout))
        with scratch(conn, facts, place.table, place.goal) as own:
            # as on the copy, where it was decided by the width of the rows
            kept = "plain" if not place.toast_bytes() else place.storage
            yield replace(own, storage=kept, rotation=place.rotation), limit


def _send(place: Scratch, conn: Conn) -> None:
    """Copy the vectors of a copy to the table RECEIVED of another server."""
    type_there = full_type(replace(place.facts, extension_schema="public"))
    cursors.tuples(conn).execute(
        slots.statement("scratch_received", table=RECEIVED, type=type_there)
    )
    origin = sql.Identifier(place.schema, place.name)
    with (
        cursors.tuples(place.conn).copy(
            slots.statement("scratch_out", table=origin)
        ) as leaving,
        cursors.tuples(conn).copy(
            slots.statement("scratch_in", table=RECEIVED)
        ) as arriving,
    ):
        for data in leaving:
            arriving.write(data)


def _settings(
    own: Scratch, searches: Sequence[Squeezed], budget: Budget, progress: OnProgress
) -> list[Setting] | None:
    """Copy the rows, build indexes, and list the searches; None if the time is up."""
    options = list(
        {
            s.point.option.name: s.point.option for s in searches if s.point.option
        }.values()
    )
    if searches[0].in_row:
        own = own.in_row(options, RECEIVED)
    else:
        own.fill(RECEIVED, options)
    for option in options:
        if not _built(own, option, budget, progress):
            return None
    rivals = {}
    if any(search.point.option is None for search in searches):
        single = own.rival()
        progress(Progress(f"building {single.name} under a memory limit"))
        if own.build_within(budget, partial(own.build_rival, single)) is None:
            return None
        rivals = {setting.point[2]: setting for setting in trial.of_rival(own, single)}
    return [
        rivals[search.point.ef_search]
        if search.point.option is None
        else trial.two_passes(
            own,
            search.point.option,
            search.point.candidates or 0,
            search.point.ef_search or 0,
            search.point.rerank,
        )
        for search in searches
    ]


def _built(own: Scratch, option: Option, budget: Budget, progress: OnProgress) -> bool:
    progress(Progress(f"building {option.name} for the memory limit"))
    return own.build_within(budget, partial(own.build, option)) is not None


def _timed(setting: Setting, queries: Queries) -> float:
    """The median milliseconds of the last queries, after all others."""
    count = min(MOST_TIMED, len(queries.vectors) // 2)
    took: list[float] = []
    setting.ready()
    for i, query in enumerate(queries.vectors):
        start = time.perf_counter()
        setting.search(query)
        if i >= len(queries.vectors) - count:
            took.append(1000 * (time.perf_counter() - start))
    return float(np.median(took))
