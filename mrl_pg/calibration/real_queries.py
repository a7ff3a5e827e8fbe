"""Keeps real queries now and then, so that recall is measured on what is asked.

Off until the table's owner turns it on: `mrl.sample_queries` or `mrl-pg queries`.
"""

import time
from collections.abc import Iterator
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    contextmanager,
    nullcontext,
)
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any, TypeAlias
from weakref import WeakKeyDictionary

from psycopg import errors, pq, sql

from mrl_pg import source
from mrl_pg.calibration import measuring as sampling
from mrl_pg.catalog import read as catalog
from mrl_pg.catalog.facts import Facts
from mrl_pg.catalog.recent import Recent
from mrl_pg.errors import InvalidSetting, NotInstalled
from mrl_pg.exchange import AsyncConn, Conn, cursors, run, run_async
from mrl_pg.exchange.vectors import QueryVector, QueryVectorDumper
from mrl_pg.layout import IndexLayout
from mrl_pg.search import plan
from mrl_pg.vectors import VectorLike

SHARE_SECONDS = 60.0
"""How long a share that was read is believed."""

LAYOUTS = 500
"""Layouts whose share is kept for a connection."""

_Shares: TypeAlias = Recent[IndexLayout, tuple[float, float]]

_shares: WeakKeyDictionary[Conn | AsyncConn, _Shares] = WeakKeyDictionary()
"""With each, when it is to be read again."""


@dataclass(frozen=True, slots=True)
class Sampling:
    """What is in force for the queries of a column, and what was kept.

    A `share` of them is kept, `most` at most; `kept` there are, the oldest of the day
    `oldest`. These two are 0 and None for roles that do not own the table.
    """

    share: float
    most: int
    kept: int
    oldest: date | None

    def as_dict(self) -> dict[str, Any]:
        """The same as JSON takes it."""
        return {**asdict(self), "oldest": self.oldest and self.oldest.isoformat()}

    def __str__(self) -> str:
        """What is in force, in one sentence."""
        state = f"a share of {self.share:.12g} is kept" if self.share else "off"
        since = f", the oldest from {self.oldest}" if self.oldest else ""
        return f"{state}: {self.kept} queries, of {self.most} at most{since}"


def keep_query(conn: Conn, layout: IndexLayout, query: VectorLike) -> bool:
    """Offer a query to be kept; see `MatryoshkaIndex.keep_query`."""
    cursors.check(conn, waits=False)
    if _failed(conn):
        return False
    facts = run(conn, catalog.facts(conn, layout))
    share = _known(conn, layout)
    if share is None:
        # in a savepoint, as below: what fails here leaves the transaction whole
        with (
            _explained(),
            _whole(conn),
            cursors.tuples(conn) as cursor,
        ):
            cursor.execute(*_asked("query_share", layout))
            share = _learn(conn, layout, cursor.fetchone())
    call = _offered(layout, facts, query, share)
    if call is None:
        return False
    with (
        _explained(),
        _whole(conn),
        cursors.tuples(conn) as cursor,
    ):
        cursor.adapters.register_dumper(QueryVector, QueryVectorDumper)
        cursor.execute(*call)
        return bool(cursor.fetchall()[0][0])


async def keep_query_async(
    conn: AsyncConn, layout: IndexLayout, query: VectorLike
) -> bool:
    """The same on an asynchronous connection."""
    cursors.check(conn, waits=True)
    if _failed(conn):
        return False
    facts = await run_async(conn, catalog.facts(conn, layout))
    share = _known(conn, layout)
    if share is None:
        with _explained():
            async with (
                _whole_async(conn),
                cursors.tuples_async(conn) as cursor,
            ):
                await cursor.execute(*_asked("query_share", layout))
                share = _learn(conn, layout, await cursor.fetchone())
    call = _offered(layout, facts, query, share)
    if call is None:
        return False
    with _explained():
        async with (
            _whole_async(conn),
            cursors.tuples_async(conn) as cursor,
        ):
            cursor.adapters.register_dumper(QueryVector, QueryVectorDumper)
            await cursor.execute(*call)
            return bool((await cursor.fetchall())[0][0])


def sample_queries(
    conn: Conn, layout: IndexLayout, *, share: float, most: int | None = None
) -> Sampling:
    """Have a share of the queries of a full column kept; 0 keeps no more.

    `most` of them at most: None leaves what was said before, at first 1000. Only
    the table's owner may. Raises InvalidSetting.
    """
    with _explained(), cursors.tuples(conn) as cursor:
        cursor.execute(*_asked("sample_queries", layout, share=share, most=most))
    return in_force(conn, layout)


def forget_queries(
    conn: Conn, layout: IndexLayout, *, before: date | None = None
) -> int:
    """Delete what was kept, or what was before a day; how many that were."""
    with _explained(), cursors.tuples(conn) as cursor:
        cursor.execute(*_asked("forget_queries", layout, before=before))
        return int(cursor.fetchall()[0][0])


def in_force(conn: Conn, layout: IndexLayout) -> Sampling:
    """What is in force for the queries of a full column."""
    with _explained(), cursors.dicts(conn) as cursor:
        found = cursor.execute(*_asked("sampling", layout)).fetchone()
    return Sampling(**found) if found else Sampling(0.0, 0, 0, None)


def _failed(conn: Conn | AsyncConn) -> bool:
    """Whether the caller's transaction takes no more statements."""
    return conn.info.transaction_status == pq.TransactionStatus.INERROR


def _whole(conn: Conn) -> AbstractContextManager[object]:
    """A savepoint in a transaction, so that what fails leaves it whole."""
    return nullcontext() if _alone(conn) else conn.transaction()


def _whole_async(conn: AsyncConn) -> AbstractAsyncContextManager[object]:
    """The same on an asynchronous connection."""
    return nullcontext() if _alone(conn) else conn.transaction()


def _alone(conn: Conn | AsyncConn) -> bool:
    """Whether a statement is a transaction by itself: two round trips less."""
    idle = conn.info.transaction_status == pq.TransactionStatus.IDLE
    return conn.autocommit and idle


def _known(conn: Conn | AsyncConn, layout: IndexLayout) -> float | None:
    """The share, when it was read a moment ago."""
    known = _shares.get(conn)
    share, until = (known and known.get(layout)) or (0.0, 0.0)
    return share if time.monotonic() < until else None


def _learn(
    conn: Conn | AsyncConn, layout: IndexLayout, row: tuple[Any, ...] | None
) -> float:
    share: float = row[0] if row else 0.0
    known = _shares.setdefault(conn, Recent(LAYOUTS))
    known.put(layout, (share, time.monotonic() + SHARE_SECONDS))
    return share


def _offered(
    layout: IndexLayout, facts: Facts, query: VectorLike, share: float
) -> tuple[sql.Composed, dict[str, Any]] | None:
    """The call that offers a query; None when nothing is kept."""
    if not share:
        return None
    bound = plan.as_query(layout, facts, query)
    values = _names(layout) | {"query": bound}
    kind = sql.Identifier(bound.kind)
    return sampling.statement("keep_query", facts, kind=kind), values


def _asked(
    name: str, layout: IndexLayout, **values: Any
) -> tuple[bytes, dict[str, Any]]:
    """A statement of `sql/client/calibration.sql` and its parameters."""
    text = source.statement(name).encode()
    return text, _names(layout) | values


def _names(layout: IndexLayout) -> dict[str, Any]:
    """The table by name, for the search path may change, and the full column."""
    parts = [layout.schema, layout.table] if layout.schema else [layout.table]
    return {"table": sql.Identifier(*parts).as_string(), "column": layout.column}


@contextmanager
def _explained() -> Iterator[None]:
    try:
        yield
    except errors.Error as error:
        if catalog.not_installed(error):
            raise NotInstalled(sampling.NOT_INSTALLED) from error
        if isinstance(error, errors.InvalidParameterValue):
            raise InvalidSetting(sampling.hinted(error)) from error
        raise
