"""Has the server measure what searches find and cost, so that recall can be asked."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeAlias

from psycopg import AsyncClientCursor, AsyncCursor, ClientCursor, Cursor, sql
from psycopg.errors import Diagnostic
from psycopg.rows import dict_row

from mrl_pg import catalog, render
from mrl_pg.catalog import AsyncConn, Conn
from mrl_pg.errors import InvalidSetting, NotInstalled
from mrl_pg.facts import Facts, check_ready
from mrl_pg.layout import IndexLayout
from mrl_pg.plan import Params, Queries, Where, as_query
from mrl_pg.promise import check_recall
from mrl_pg.vectors import as_text

Teller: TypeAlias = Callable[[str], object]
"""Called with a line about how far a calibration is, some twenty times."""


@dataclass(frozen=True, slots=True)
class Point:
    """One measured search: mean recall, its lower bound (one-sided, 95 %), time."""

    candidates: int
    ef_search: int
    recall: float
    low: float
    median_ms: float
    p95_ms: float


@dataclass(frozen=True, slots=True)
class Calibration:
    """The searches that no other beats, by recall; kept in `mrl.calibrations`.

    Over `queries` queries on a table of `rows` rows, as PostgreSQL's statistics had
    it; `share` of them pass the filter (1 without one).
    """

    layout: IndexLayout
    k: int
    points: tuple[Point, ...]
    share: float
    queries: int
    rows: int

    def cheapest(self, recall: float, slack: float = 0.005) -> Point | None:
        """What a search with this recall would take; None when nothing keeps it.

        The mean must reach it, and the lower bound come within `slack`, as in
        `mrl._promised`.
        """
        check_recall(recall)
        good = [
            point
            for point in self.points
            if point.recall >= recall and point.low >= recall - slack
        ]
        return min(good, key=lambda point: point.median_ms, default=None)

    def __str__(self) -> str:
        """What was measured, in one sentence."""
        if not self.points:
            return f"{self.layout}: nothing was measured; is the table empty?"
        best = max(self.points, key=lambda point: point.recall)
        return (
            f"{self.layout}: {len(self.points)} searches for k={self.k} measured on "
            f"{self.queries} queries; recall up to {best.recall:.4f} in "
            f"{best.median_ms:.1f} ms"
        )


def calibrate(
    conn: Conn,
    layout: IndexLayout,
    *,
    k: int,
    sample: int,
    queries: "Queries | None",
    where: Where,
    params: Params,
    tell: Teller | None,
) -> Calibration:
    """Measure the searches of one short column; see `MatryoshkaIndex.calibrate`."""
    facts = _check(layout, catalog.read(conn, layout))
    condition = _condition(ClientCursor(conn), where, params, conn)
    values = _values(layout, facts, k, sample, queries, condition)
    with _told(conn, tell), Cursor(conn, row_factory=dict_row) as cursor:
        rows = cursor.execute(_statement(facts), values).fetchall()
    catalog.forget(conn, layout)
    return _calibration(layout, k, rows)


async def calibrate_async(
    conn: AsyncConn,
    layout: IndexLayout,
    *,
    k: int,
    sample: int,
    queries: "Queries | None",
    where: Where,
    params: Params,
    tell: Teller | None,
) -> Calibration:
    """The same on an asynchronous connection."""
    facts = _check(layout, await catalog.read_async(conn, layout))
    condition = _condition(AsyncClientCursor(conn), where, params, conn)
    values = _values(layout, facts, k, sample, queries, condition)
    with _told(conn, tell):
        async with AsyncCursor(conn, row_factory=dict_row) as cursor:
            await cursor.execute(_statement(facts), values)
            rows = await cursor.fetchall()
    catalog.forget(conn, layout)
    return _calibration(layout, k, rows)


def _check(layout: IndexLayout, facts: Facts) -> Facts:
    if not facts.mrl_installed:
        raise NotInstalled(
            "the database side of mrl_pg is not installed in this database: run "
            "mrl_pg.install(conn), `mrl-pg install` or psql -f sql/install.sql"
        )
    check_ready(layout, facts)
    return facts


def _condition(
    cursor: "ClientCursor[Any] | AsyncClientCursor[Any]",
    where: Where,
    params: Params,
    conn: Conn | AsyncConn,
) -> str | None:
    """The filter with its values written into it: the server knows no placeholders."""
    if where is None:
        if params:
            raise InvalidSetting(
                "params= was given without where=, which would use them"
            )
        return None
    text = where.as_string(conn) if isinstance(where, sql.Composable) else where
    return cursor.mogrify(text.encode(), params)


def _values(
    layout: IndexLayout,
    facts: Facts,
    k: int,
    sample: int,
    queries: "Queries | None",
    condition: str | None,
) -> dict[str, Any]:
    for what, value in (("k", k), ("sample", sample)):
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise InvalidSetting(f"{what}={value!r} is not a whole number above 0")
    vectors = None
    if queries is not None:
        bound = [as_query(layout, facts, query) for query in queries]
        vectors = [as_text(query.data, query.kind) for query in bound]
    return {
        "table": sql.Identifier(facts.schema, facts.table).as_string(),
        "column": layout.column,
        "k": k,
        "sample": sample,
        "filter": condition,
        "index_name": layout.name,
        "queries": vectors,
    }


def _statement(facts: Facts) -> bytes:
    home = facts.extension_schema.replace("%", "%%")
    return render.statement("calibrate", extension=render.home(home)).as_bytes()


def _calibration(
    layout: IndexLayout, k: int, rows: Sequence[dict[str, Any]]
) -> Calibration:
    points = tuple(
        Point(
            row["candidates"],
            row["ef_search"],
            row["recall"],
            row["low"],
            row["median_ms"],
            row["p95_ms"],
        )
        for row in rows
    )
    if not rows:
        return Calibration(layout, k, (), share=1.0, queries=0, rows=0)
    about = rows[0]
    return Calibration(
        layout, k, points, about["share"], about["queries"], about["rows"]
    )


@contextmanager
def _told(conn: Conn | AsyncConn, tell: Teller | None) -> Iterator[None]:
    """Hand on what the server says while it measures."""
    if tell is None:
        yield
        return

    def hear(notice: Diagnostic) -> None:
        if notice.severity_nonlocalized == "NOTICE":
            tell(notice.message_primary or "")

    conn.add_notice_handler(hear)
    try:
        yield
    finally:
        conn.remove_notice_handler(hear)
