"""The methods of everything that can be searched."""

from typing import TYPE_CHECKING

from mrl_pg.exchange import AsyncConn, Conn, run, run_async
from mrl_pg.layout import Searched
from mrl_pg.search.find import find, find_many, fresh_plan
from mrl_pg.search.options import SearchKeywords, explains_options, options_of
from mrl_pg.search.plan import SearchPlan
from mrl_pg.search.result import SearchResult
from mrl_pg.vectors import VectorLike, VectorsLike

if TYPE_CHECKING:
    # in `typing` itself from Python 3.11 on
    from typing_extensions import Unpack


class SearchMethods(Searched):
    """Searching one index, or a column by the index that is in use."""

    __slots__ = ()

    @explains_options
    def search(
        self, conn: Conn, query: VectorLike, **options: "Unpack[SearchKeywords]"
    ) -> SearchResult:
        """The k rows nearest to a query, by full vectors, found in two passes.

        `query`: full size, as a list, an array of any float dtype, a Vector or a
        HalfVector.

        No setting outlives the search. Rows without a distance (NULL, or zero under
        cosine) are never returned. Rows at the same distance are ordered by key.

        Raises InvalidVector, InvalidSetting, InvalidFilter, ColumnNotFound,
        IndexNotFound, IndexMismatch, and NotInstalled with a recall.

        The options, which `SearchKeywords` declares:
        """
        return run(conn, find(conn, self, query, options_of(options)))

    async def search_async(
        self, conn: AsyncConn, query: VectorLike, **options: "Unpack[SearchKeywords]"
    ) -> SearchResult:
        """The same as `search` on an asynchronous connection."""
        return await run_async(conn, find(conn, self, query, options_of(options)))

    def search_many(
        self, conn: Conn, queries: VectorsLike, **options: "Unpack[SearchKeywords]"
    ) -> list[SearchResult]:
        """The result of `search` for each query, with one round trip for all."""
        return run(conn, find_many(conn, self, queries, options_of(options)))

    async def search_many_async(
        self, conn: AsyncConn, queries: VectorsLike, **options: "Unpack[SearchKeywords]"
    ) -> list[SearchResult]:
        """The same as `search_many` on an asynchronous connection."""
        return await run_async(
            conn, find_many(conn, self, queries, options_of(options))
        )

    def plan(
        self, conn: Conn, query: VectorLike, **options: "Unpack[SearchKeywords]"
    ) -> SearchPlan:
        """What `search` with these options would send, to run or explain."""
        return run(conn, fresh_plan(conn, self, query, options_of(options)))

    async def plan_async(
        self, conn: AsyncConn, query: VectorLike, **options: "Unpack[SearchKeywords]"
    ) -> SearchPlan:
        """The same as `plan` on an asynchronous connection."""
        return await run_async(conn, fresh_plan(conn, self, query, options_of(options)))
