"""MatryoshkaIndex: the layout of a short column, and all that can be done with it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from psycopg import sql

from mrl_pg import build, catalog, search
from mrl_pg import plan as planning
from mrl_pg.build import BuildReport
from mrl_pg.catalog import AsyncConn, Conn
from mrl_pg.layout import IndexLayout
from mrl_pg.plan import Params, SearchPlan
from mrl_pg.progress import Watcher
from mrl_pg.search import SearchResult
from mrl_pg.vectors import VectorLike

Where: TypeAlias = "str | sql.Composable | None"
"""A condition on the table's columns, its values in `params`."""


@dataclass(frozen=True, slots=True)
class MatryoshkaIndex(IndexLayout):
    """One short column and its HNSW index: create it, search with it, drop it.

    >>> index = MatryoshkaIndex("docs", "embedding", dims=256)
    >>> index.short, index.name
    ('embedding_256_halfvec', 'docs_embedding_256_halfvec_cosine_hnsw')

    A value: it holds no connection and may be made once, at import. Every
    method takes the connection, or the asynchronous one in its `_async` twin.
    """

    def create(
        self,
        conn: Conn,
        *,
        workers: int | None = None,
        maintenance_work_mem: str | None = None,
        progress: Watcher | None = None,
    ) -> BuildReport:
        """Add the short column and build its index, in one transaction.

        Takes an ACCESS EXCLUSIVE lock until the transaction ends, because adding a
        stored generated column rewrites the table: not for a table in use. Does
        what is missing, so it may be repeated. `workers` and
        `maintenance_work_mem` ("2GB") hold for this build only; `progress` is
        called from a second connection's thread.

        Raises IndexMismatch when a column or an index of these names is another
        one, NotInstalled without the `mrl` schema, and what `catalog` raises.
        """
        return build.create(
            conn,
            self,
            workers=workers,
            maintenance_work_mem=maintenance_work_mem,
            progress=progress,
        )

    async def create_async(
        self,
        conn: AsyncConn,
        *,
        workers: int | None = None,
        maintenance_work_mem: str | None = None,
        progress: Watcher | None = None,
    ) -> BuildReport:
        """The same as `create` on an asynchronous connection."""
        return await build.create_async(
            conn,
            self,
            workers=workers,
            maintenance_work_mem=maintenance_work_mem,
            progress=progress,
        )

    def drop(self, conn: Conn) -> BuildReport:
        """Undo `create`: drop the index, the short column and the registry row."""
        return build.drop(conn, self)

    async def drop_async(self, conn: AsyncConn) -> BuildReport:
        """The same as `drop` on an asynchronous connection."""
        return await build.drop_async(conn, self)

    def search(
        self,
        conn: Conn,
        query: VectorLike,
        *,
        k: int = 10,
        candidates: int | None = None,
        ef_search: int | None = None,
        max_scan_tuples: int | None = None,
        where: Where = None,
        params: Params = None,
        columns: Sequence[str] = (),
        exact: bool = False,
    ) -> SearchResult:
        """The k rows nearest to a query, by full vectors, found in two passes.

        `query`: full size, as a list, an array of any float dtype, a Vector or a
        HalfVector. `candidates` (default 160, or 8 k when more) rows pass from the
        short index to the exact re-rank; above 1000 the scan iterates. `ef_search`
        (default: candidates, at most 1000) searches the graph more widely.
        `where`, with `params`, filters in the first pass; `max_scan_tuples` bounds
        how far a filtered scan goes on (default: the server's, 20000). `columns`
        come with each hit. `exact=True` compares every row instead.

        One statement; no setting outlives it. Rows without a distance (NULL, or
        zero under cosine) are never answered; ties go by key.

        Raises InvalidVector, InvalidSetting, InvalidFilter, ColumnNotFound,
        IndexNotFound, and what `catalog.facts` raises.
        """
        plan = self.plan(
            conn,
            query,
            k=k,
            candidates=candidates,
            ef_search=ef_search,
            max_scan_tuples=max_scan_tuples,
            where=where,
            params=params,
            columns=columns,
            exact=exact,
        )
        return search.run(conn, plan)

    async def search_async(
        self,
        conn: AsyncConn,
        query: VectorLike,
        *,
        k: int = 10,
        candidates: int | None = None,
        ef_search: int | None = None,
        max_scan_tuples: int | None = None,
        where: Where = None,
        params: Params = None,
        columns: Sequence[str] = (),
        exact: bool = False,
    ) -> SearchResult:
        """The same as `search` on an asynchronous connection."""
        plan = await self.plan_async(
            conn,
            query,
            k=k,
            candidates=candidates,
            ef_search=ef_search,
            max_scan_tuples=max_scan_tuples,
            where=where,
            params=params,
            columns=columns,
            exact=exact,
        )
        return await search.run_async(conn, plan)

    def search_many(
        self,
        conn: Conn,
        queries: Sequence[VectorLike] | NDArray[np.floating],
        *,
        k: int = 10,
        candidates: int | None = None,
        ef_search: int | None = None,
        max_scan_tuples: int | None = None,
        where: Where = None,
        params: Params = None,
        columns: Sequence[str] = (),
        exact: bool = False,
    ) -> list[SearchResult]:
        """Answers of `search` for each query, in order, in one round trip."""
        if not len(queries):
            return []
        plan = self.plan(
            conn,
            queries[0],
            k=k,
            candidates=candidates,
            ef_search=ef_search,
            max_scan_tuples=max_scan_tuples,
            where=where,
            params=params,
            columns=columns,
            exact=exact,
        )
        batch = [planning.bind(plan.shape, query, params) for query in queries]
        return search.run_many(conn, plan, batch)

    async def search_many_async(
        self,
        conn: AsyncConn,
        queries: Sequence[VectorLike] | NDArray[np.floating],
        *,
        k: int = 10,
        candidates: int | None = None,
        ef_search: int | None = None,
        max_scan_tuples: int | None = None,
        where: Where = None,
        params: Params = None,
        columns: Sequence[str] = (),
        exact: bool = False,
    ) -> list[SearchResult]:
        """The same as `search_many` on an asynchronous connection."""
        if not len(queries):
            return []
        plan = await self.plan_async(
            conn,
            queries[0],
            k=k,
            candidates=candidates,
            ef_search=ef_search,
            max_scan_tuples=max_scan_tuples,
            where=where,
            params=params,
            columns=columns,
            exact=exact,
        )
        batch = [planning.bind(plan.shape, query, params) for query in queries]
        return await search.run_many_async(conn, plan, batch)

    def plan(
        self,
        conn: Conn,
        query: VectorLike,
        *,
        k: int = 10,
        candidates: int | None = None,
        ef_search: int | None = None,
        max_scan_tuples: int | None = None,
        where: Where = None,
        params: Params = None,
        columns: Sequence[str] = (),
        exact: bool = False,
    ) -> SearchPlan:
        """The statement and parameters that `search` would send, to run or explain."""
        facts = catalog.facts(conn, self, ready=not exact)
        shape = planning.shape(
            self,
            facts,
            k=k,
            candidates=candidates,
            ef_search=ef_search,
            max_scan_tuples=max_scan_tuples,
            where=where.as_string(conn) if isinstance(where, sql.Composable) else where,
            params=params,
            columns=columns,
            exact=exact,
        )
        return planning.plan(shape, query, params)

    async def plan_async(
        self,
        conn: AsyncConn,
        query: VectorLike,
        *,
        k: int = 10,
        candidates: int | None = None,
        ef_search: int | None = None,
        max_scan_tuples: int | None = None,
        where: Where = None,
        params: Params = None,
        columns: Sequence[str] = (),
        exact: bool = False,
    ) -> SearchPlan:
        """The same as `plan` on an asynchronous connection."""
        facts = await catalog.facts_async(conn, self, ready=not exact)
        shape = planning.shape(
            self,
            facts,
            k=k,
            candidates=candidates,
            ef_search=ef_search,
            max_scan_tuples=max_scan_tuples,
            where=where.as_string(conn) if isinstance(where, sql.Composable) else where,
            params=params,
            columns=columns,
            exact=exact,
        )
        return planning.plan(shape, query, params)
