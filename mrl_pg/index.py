"""MatryoshkaIndex: the layout of a short column, and all that can be done with it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mrl_pg.build import create as build
from mrl_pg.build.create import BuildReport
from mrl_pg.calibration import calibrate
from mrl_pg.calibration import real_queries as kept
from mrl_pg.calibration import recall_report as measure
from mrl_pg.calibration.calibrate import Calibration
from mrl_pg.calibration.measuring import QuerySource, Teller
from mrl_pg.calibration.recall_report import RecallReport
from mrl_pg.exchange import AsyncConn, Conn, run, run_async
from mrl_pg.exchange.progress import OnProgress
from mrl_pg.layout import IndexLayout
from mrl_pg.search import find as search
from mrl_pg.search.filter import Filter, Params
from mrl_pg.search.find import SearchResult
from mrl_pg.search.plan import Options, Queries, SearchOptions, SearchPlan
from mrl_pg.vectors import VectorLike

if TYPE_CHECKING:
    # typing's own from Python 3.11 on
    from typing_extensions import Unpack


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
        progress: OnProgress | None = None,
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
        verb = build.create(
            conn,
            self,
            workers=workers,
            maintenance_work_mem=maintenance_work_mem,
            progress=progress,
        )
        return run(conn, verb)

    async def create_async(
        self,
        conn: AsyncConn,
        *,
        workers: int | None = None,
        maintenance_work_mem: str | None = None,
        progress: OnProgress | None = None,
    ) -> BuildReport:
        """The same as `create` on an asynchronous connection."""
        verb = build.create(
            conn,
            self,
            workers=workers,
            maintenance_work_mem=maintenance_work_mem,
            progress=progress,
        )
        return await run_async(conn, verb)

    def drop(self, conn: Conn) -> BuildReport:
        """Undo `create`: drop the index, the short column and the registry row."""
        return run(conn, build.drop(conn, self))

    async def drop_async(self, conn: AsyncConn) -> BuildReport:
        """The same as `drop` on an asynchronous connection."""
        return await run_async(conn, build.drop(conn, self))

    def calibrate(
        self,
        conn: Conn,
        *,
        k: int = 10,
        sample: int | None = None,
        queries: QuerySource = None,
        filter: Filter = None,
        params: Params = None,
        tell: Teller | None = None,
    ) -> Calibration:
        """Measure what searches find and cost on your rows, for `search(recall=0.99)`.

        Exact answers of `queries`, or of `sample` random rows (each without itself;
        500 unless named, for k = 1 2,000), are compared with those of ever wider
        searches, and the front of recall against time is kept in the database for all
        doors, in the place of an older one for the same k and `filter`.
        `queries="kept"`: at most `sample` of those that `keep_query` kept. A search
        with a `filter` takes what was measured with the same, or with others about as
        selective. Time: every row is read once for every few hundred queries, and each
        is searched by the index some thirty times. `tell` is called with progress.

        Only the table's owner may. Raises InvalidSetting, InvalidVector, InvalidFilter,
        IndexNotFound, NotInstalled, and what `catalog.facts` raises.
        """
        return calibrate.calibrate(
            conn,
            self,
            k=k,
            sample=sample,
            queries=queries,
            filter=filter,
            params=params,
            tell=tell,
        )

    async def calibrate_async(
        self,
        conn: AsyncConn,
        *,
        k: int = 10,
        sample: int | None = None,
        queries: QuerySource = None,
        filter: Filter = None,
        params: Params = None,
        tell: Teller | None = None,
    ) -> Calibration:
        """The same as `calibrate` on an asynchronous connection."""
        return await calibrate.calibrate_async(
            conn,
            self,
            k=k,
            sample=sample,
            queries=queries,
            filter=filter,
            params=params,
            tell=tell,
        )

    def recall(
        self,
        conn: Conn,
        *,
        k: int = 10,
        sample: int = 50,
        queries: QuerySource = None,
        candidates: int | None = None,
        ef_search: int | None = None,
        max_scan_tuples: int | None = None,
        filter: Filter = None,
        params: Params = None,
        recall: float | None = None,
        keep: bool = False,
        tell: Teller | None = None,
    ) -> RecallReport:
        """Measure how many of the true nearest rows a search finds, and why not all.

        `candidates` to `recall` are those of the search; it is compared with exact
        search for `queries` ("kept": at most `sample` of those of `keep_query`), or
        for `sample` random rows, each without itself. `keep` writes the figures to
        `mrl.measurements`, for `history`, which only the table's owner may. Time:
        each query reads every row twice.

        Raises InvalidSetting, InvalidVector, InvalidFilter, IndexNotFound,
        NotInstalled, and what `catalog.facts` raises.
        """
        options = Options(
            k,
            candidates,
            ef_search,
            max_scan_tuples,
            filter,
            params,
            (),
            False,
            recall,
        )
        return measure.recall(
            conn, self, options, sample=sample, queries=queries, keep=keep, tell=tell
        )

    async def recall_async(
        self,
        conn: AsyncConn,
        *,
        k: int = 10,
        sample: int = 50,
        queries: QuerySource = None,
        candidates: int | None = None,
        ef_search: int | None = None,
        max_scan_tuples: int | None = None,
        filter: Filter = None,
        params: Params = None,
        recall: float | None = None,
        keep: bool = False,
        tell: Teller | None = None,
    ) -> RecallReport:
        """The same as `recall` on an asynchronous connection."""
        options = Options(
            k,
            candidates,
            ef_search,
            max_scan_tuples,
            filter,
            params,
            (),
            False,
            recall,
        )
        return await measure.recall_async(
            conn, self, options, sample=sample, queries=queries, keep=keep, tell=tell
        )

    def history(self, conn: Conn) -> list[RecallReport]:
        """What `recall` measured and kept, oldest first; raises NotInstalled."""
        return measure.history(conn, self)

    async def history_async(self, conn: AsyncConn) -> list[RecallReport]:
        """The same as `history` on an asynchronous connection."""
        return await measure.history_async(conn, self)

    def keep_query(self, conn: Conn, query: VectorLike) -> bool:
        """Keep a query now and then, for `calibrate(conn, queries="kept")`.

        Call it beside each search, which itself writes nothing. Off until the table's
        owner turns it on (`mrl.sample_queries` in SQL, `mrl-pg queries`); whether it is
        on is read once a minute, and nothing is sent while it is off. The server draws
        the lot. True when the query was kept; in a read-only or failed transaction, on
        a replica and above read committed it never is.

        Raises InvalidVector where it is on, NotInstalled, and what `catalog` raises.
        """
        return kept.keep_query(conn, self, query)

    async def keep_query_async(self, conn: AsyncConn, query: VectorLike) -> bool:
        """The same as `keep_query` on an asynchronous connection."""
        return await kept.keep_query_async(conn, self, query)

    def search(
        self,
        conn: Conn,
        query: VectorLike,
        *,
        k: int = 10,
        candidates: int | None = None,
        ef_search: int | None = None,
        max_scan_tuples: int | None = None,
        filter: Filter = None,
        params: Params = None,
        columns: Sequence[str] = (),
        exact: bool = False,
        recall: float | None = None,
    ) -> SearchResult:
        """The k rows nearest to a query, by full vectors, found in two passes.

        `query`: full size, as a list, an array of any float dtype, a Vector or a
        HalfVector. `candidates` (default 160, or 8 k when more) rows pass from the
        short index to the exact re-rank; above 1000 the scan iterates. `ef_search`
        (default: candidates, at most 1000) searches the graph more widely.
        `filter`, with `params`, filters in the first pass; `max_scan_tuples` bounds
        how far such a scan goes on (default: the session's, 20000, or twice the
        candidates). `columns` come with each hit. `exact=True` compares every row.
        `recall` takes the cheapest search that `calibrate` measured to keep it, unless
        candidates are named; the result's `promise` says what stands behind it.

        One statement; no setting outlives it. Rows without a distance (NULL, or
        zero under cosine) are never answered; ties go by key.

        Raises InvalidVector, InvalidSetting, InvalidFilter, ColumnNotFound,
        IndexNotFound, and what `catalog.facts` raises.
        """
        options = Options(
            k,
            candidates,
            ef_search,
            max_scan_tuples,
            filter,
            params,
            columns,
            exact,
            recall,
        )
        return search.find(conn, self, query, options)

    async def search_async(
        self,
        conn: AsyncConn,
        query: VectorLike,
        *,
        k: int = 10,
        candidates: int | None = None,
        ef_search: int | None = None,
        max_scan_tuples: int | None = None,
        filter: Filter = None,
        params: Params = None,
        columns: Sequence[str] = (),
        exact: bool = False,
        recall: float | None = None,
    ) -> SearchResult:
        """The same as `search` on an asynchronous connection."""
        options = Options(
            k,
            candidates,
            ef_search,
            max_scan_tuples,
            filter,
            params,
            columns,
            exact,
            recall,
        )
        return await search.find_async(conn, self, query, options)

    def search_many(
        self,
        conn: Conn,
        queries: Queries,
        **options: "Unpack[SearchOptions]",
    ) -> list[SearchResult]:
        """Answers of `search`, with its options, for each query in one round trip."""
        return search.find_many(conn, self, queries, Options(**options))

    async def search_many_async(
        self,
        conn: AsyncConn,
        queries: Queries,
        **options: "Unpack[SearchOptions]",
    ) -> list[SearchResult]:
        """The same as `search_many` on an asynchronous connection."""
        return await search.find_many_async(conn, self, queries, Options(**options))

    def plan(
        self,
        conn: Conn,
        query: VectorLike,
        **options: "Unpack[SearchOptions]",
    ) -> SearchPlan:
        """What `search` with these options would send, to run or explain."""
        return search.fresh_plan(conn, self, query, Options(**options))

    async def plan_async(
        self,
        conn: AsyncConn,
        query: VectorLike,
        **options: "Unpack[SearchOptions]",
    ) -> SearchPlan:
        """The same as `plan` on an asynchronous connection."""
        return await search.fresh_plan_async(conn, self, query, Options(**options))
