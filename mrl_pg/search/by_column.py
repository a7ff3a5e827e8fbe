"""Searches a column while its model changes: one query for each of its full columns."""

from collections.abc import Mapping
from typing import Any, TypeAlias

from mrl_pg.arguments import listed, shown
from mrl_pg.catalog.in_use import column_in_use
from mrl_pg.errors import InvalidVector
from mrl_pg.exchange import AnyConn, Exchange
from mrl_pg.layout import ColumnLayout, Searched
from mrl_pg.search.find import find, find_many, fresh_plan
from mrl_pg.search.options import SearchOptions
from mrl_pg.search.plan import SearchPlan
from mrl_pg.search.result import SearchResult
from mrl_pg.vectors import VectorLike, VectorsLike

Query: TypeAlias = "VectorLike | Mapping[str, VectorLike]"
"""A vector, or one vector for each full column that may be in use."""

Queries: TypeAlias = "VectorsLike | Mapping[str, VectorsLike]"
"""Several vectors, or as many for each full column that may be in use."""


def find_in_use(
    conn: AnyConn, searched: ColumnLayout, query: Query, options: SearchOptions
) -> Exchange[SearchResult]:
    """Answers of a search in the column that is in use now."""
    column, vector = yield from chosen(searched, query)
    return (yield from find(conn, column, vector, options))


def find_many_in_use(
    conn: AnyConn, searched: ColumnLayout, queries: Queries, options: SearchOptions
) -> Exchange[list[SearchResult]]:
    """Answers of many searches, all in the column that is in use now."""
    if isinstance(queries, Mapping):
        queries = {name: listed(given) for name, given in queries.items()}
        counts = {name: len(given) for name, given in queries.items()}
        if len(set(counts.values())) > 1:
            told = ", ".join(f"{shown(name)} has {n}" for name, n in counts.items())
            raise InvalidVector(
                f"not as many queries for each column: {told}: give the same queries "
                "in the same order for each"
            )
    column, vectors = yield from chosen(searched, queries)
    return (yield from find_many(conn, column, vectors, options))


def plan_in_use(
    conn: AnyConn, searched: ColumnLayout, query: Query, options: SearchOptions
) -> Exchange[SearchPlan]:
    """The plan of the same search."""
    column, vector = yield from chosen(searched, query)
    return (yield from fresh_plan(conn, column, vector, options))


def chosen(searched: Searched, query: Any) -> Exchange[tuple[Searched, Any]]:
    """The column that is in use and its query, if there is one for each; else both."""
    # an index has one column, so that a mapping is no query for it
    if not isinstance(query, Mapping) or not isinstance(searched, ColumnLayout):
        return searched, query
    # read for every search, so that column and query always belong together
    column = yield from column_in_use(searched)
    if column.column not in query:
        named = ", ".join(map(shown, query)) or "none"
        raise InvalidVector(
            f"no query for column {column.column!r}, which is in use now; there are: "
            f"{named}: give one for each column that may be in use"
        )
    return column, query[column.column]
