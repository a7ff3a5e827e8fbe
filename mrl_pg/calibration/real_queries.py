"""Keeps real queries, or distances of answers, so that recall is true for them.

Off until the table's owner turns it on: `mrl.sample_queries`, `mrl.sample_distances` or
`mrl-pg queries`.
"""

import time
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any, NamedTuple, TypeAlias, TypeVar
from weakref import WeakKeyDictionary

from psycopg import errors, pq, sql

from mrl_pg import source
from mrl_pg.arguments import shown
from mrl_pg.calibration import measuring
from mrl_pg.catalog.facts import Facts
from mrl_pg.catalog.read import known_facts, not_installed
from mrl_pg.catalog.recent import Recent
from mrl_pg.errors import InvalidSetting, NotInstalled
from mrl_pg.exchange import AnyConn, Exchange, Row, Send, commits_each, transaction
from mrl_pg.exchange.server_message import server_message
from mrl_pg.exchange.vectors import QueryVector
from mrl_pg.layout import IndexLayout
from mrl_pg.search.plan import as_query
from mrl_pg.search.result import SearchResult
from mrl_pg.vectors import VectorLike

T = TypeVar("T")

SHARE_SECONDS = 60.0
"""How long a share is believed before it is read again."""

LAYOUTS = 500
"""Most layouts whose share is remembered per connection."""


class _Shares(NamedTuple):
    """The shares of queries and distances, and when they are to be read again."""

    queries: float
    distances: float
    until: float


_Known: TypeAlias = Recent[IndexLayout, _Shares]

_shares: WeakKeyDictionary[AnyConn, _Known] = WeakKeyDictionary()


@dataclass(frozen=True, slots=True)
class Sampling:
    """What of a column's searches is kept from now on, and how much was kept so far.

    `share` is the part of the queries that is kept, and `most` how many at most. `kept`
    is how many there are now, and `oldest` the day of the oldest query. The others say
    the same of distances of answers. `kept` and `distances` are 0 and `oldest` is None
    for a role that does not own the table.
    """

    share: float
    most: int
    kept: int
    oldest: date | None
    distance_share: float = 0.0
    most_distances: int = 1000
    distances: int = 0

    def as_dict(self) -> dict[str, Any]:
        """The same as JSON takes it."""
        return {**asdict(self), "oldest": self.oldest and self.oldest.isoformat()}

    def __str__(self) -> str:
        """What is in force, in one sentence."""
        state = f"a share of {self.share:.12g} is kept" if self.share else "off"
        since = f", the oldest from {self.oldest}" if self.oldest else ""
        text = f"{state}: {self.kept} queries, of {self.most} at most{since}"
        if self.distance_share or self.distances:
            share = f"a share of {self.distance_share:.12g} is kept"
            text += (
                f"; distances: {share if self.distance_share else 'off'}, "
                f"{self.distances} of {self.most_distances} at most"
            )
        return text


def keep_query(conn: AnyConn, layout: IndexLayout, query: VectorLike) -> Exchange[bool]:
    """Offer a query to be kept; see `MatryoshkaIndex.keep_query`."""
    if _failed(conn):
        return False
    facts = yield from known_facts(conn, layout)
    if not (yield from _known_shares(conn, layout)).queries:
        return False
    offer = _offer(layout, facts, as_query(layout, facts, query))
    rows = yield from _whole(conn, _send(offer))
    return bool(_only(rows))


def keep_distance(
    conn: AnyConn, layout: IndexLayout, result: SearchResult
) -> Exchange[bool]:
    """Offer the distance of a last answer; see `MatryoshkaIndex.keep_distance`."""
    if not isinstance(result, SearchResult):
        raise InvalidSetting(
            f"result={shown(result)}: give what search returned, a SearchResult"
        )
    if result.filtered or len(result) < result.k or _failed(conn):
        return False
    if not (yield from _known_shares(conn, layout)).distances:
        return False
    values = {"k": result.k, "distance": result[-1].distance}
    rows = yield from _whole(conn, _send(_asked("keep_distance", layout, **values)))
    return bool(_only(rows))


def sample_queries(
    layout: IndexLayout, *, share: float, most: int | None = None
) -> Exchange[Sampling]:
    """Have a share of the queries of a full column kept; 0 keeps no more.

    At most `most` are kept: None leaves the number that was given before, at first
    1000. Only the table's owner may. Raises InvalidSetting.
    """
    yield from _send(_asked("sample_queries", layout, share=share, most=most))
    return (yield from in_force(layout))


def sample_distances(
    layout: IndexLayout, *, share: float, most: int | None = None
) -> Exchange[Sampling]:
    """Have a share of the distances of answers kept, as `sample_queries` does queries.

    A distance is a number, kept with k and the day. Raises InvalidSetting.
    """
    yield from _send(_asked("sample_distances", layout, share=share, most=most))
    return (yield from in_force(layout))


def forget_queries(layout: IndexLayout, *, before: date | None = None) -> Exchange[int]:
    """Delete all real queries and distances, or those from before a day; how many."""
    rows = yield from _send(_asked("forget_queries", layout, before=before))
    return int(_only(rows))


def in_force(layout: IndexLayout) -> Exchange[Sampling]:
    """What is in force for the queries and distances of a full column."""
    rows = yield from _send(_asked("sampling", layout))
    return Sampling(**rows[0]) if rows else Sampling(0.0, 0, 0, None)


def _failed(conn: AnyConn) -> bool:
    """Whether the caller's transaction takes no more statements."""
    return conn.info.transaction_status == pq.TransactionStatus.INERROR


def _whole(conn: AnyConn, body: Exchange[T]) -> Exchange[T]:
    """Carry out a verb in a savepoint, so that its failure leaves a transaction whole.

    A statement that is a transaction by itself needs none: two round trips less.
    """
    return (yield from (body if commits_each(conn) else transaction(body)))


def _send(request: Send) -> Exchange[list[Row]]:
    """Rows of a statement; raises NotInstalled and InvalidSetting."""
    try:
        rows: list[Row] = yield request
    except errors.Error as error:
        if not_installed(error):
            raise NotInstalled(measuring.NOT_INSTALLED) from error
        if isinstance(error, errors.InvalidParameterValue):
            raise InvalidSetting(f"{server_message(error)}") from error
        raise
    return rows


def _known_shares(conn: AnyConn, layout: IndexLayout) -> Exchange[_Shares]:
    """The shares of a full column, from the server once a minute and connection."""
    known = _shares.setdefault(conn, Recent(LAYOUTS))
    shares = known.get(layout)
    if shares is None or time.monotonic() >= shares.until:
        rows = yield from _whole(conn, _send(_asked("query_shares", layout)))
        row = rows[0] if rows else {"share": 0.0, "distance_share": 0.0}
        until = time.monotonic() + SHARE_SECONDS
        shares = _Shares(row["share"], row["distance_share"], until)
        known.put(layout, shares)
    return shares


def _only(rows: list[Row]) -> Any:
    """The only value of the only row."""
    (row,) = rows
    (value,) = row.values()
    return value


def _offer(layout: IndexLayout, facts: Facts, query: QueryVector) -> Send:
    """The call that offers a query."""
    kind = sql.Identifier(query.kind)
    call = measuring.statement("keep_query", facts, kind=kind)
    return Send(call, _names(layout) | {"query": query})


def _asked(name: str, layout: IndexLayout, **values: Any) -> Send:
    """A statement about the queries of a full column."""
    return Send(source.statement(name).encode(), _names(layout) | values)


def _names(layout: IndexLayout) -> dict[str, Any]:
    """The table by name, for the search path may change, and the full column."""
    parts = [layout.schema, layout.table] if layout.schema else [layout.table]
    return {"table": sql.Identifier(*parts).as_string(), "column": layout.column}
