"""MatryoshkaIndex: the layout of a short column, and a method for each task."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mrl_pg.build import create, drop, keep_as
from mrl_pg.build.report import BuildReport
from mrl_pg.calibration import calibrate, real_queries, recall_report
from mrl_pg.calibration.calibrate import Calibration
from mrl_pg.calibration.recall_report import RecallReport
from mrl_pg.exchange import AsyncConn, Conn, run, run_async
from mrl_pg.exchange.progress import OnProgress
from mrl_pg.kinds import Keep
from mrl_pg.layout import IndexLayout
from mrl_pg.search.filter import Filter, Params
from mrl_pg.search.find import find, find_many, fresh_plan
from mrl_pg.search.options import FilteredKeywords, SearchKeywords, options_of
from mrl_pg.search.plan import SearchPlan
from mrl_pg.search.result import SearchResult
from mrl_pg.vectors import VectorLike, VectorsLike

if TYPE_CHECKING:
    # in `typing` itself from Python 3.11 on
    from typing_extensions import Unpack


@dataclass(frozen=True, slots=True)
class MatryoshkaIndex(IndexLayout):
    """One short column and its HNSW index: create it, search with it, drop it.

    >>> index = MatryoshkaIndex("docs", "embedding", dims=256)
    >>> index.short, index.name
    ('embedding_256_halfvec', 'docs_embedding_256_halfvec_cosine_hnsw')

    It holds no connection, so you can create it once, at import. Every method takes
    the connection. Methods that end in `_async` take an asynchronous connection.

    If the table does not fit, every method raises TableNotFound, ColumnNotFound,
    NotAVectorColumn, NoPrimaryKey, or InvalidSetting for dims above the full size.
    Without pgvector 0.8 or later it raises PgvectorMissing or PgvectorTooOld.
    """

    def create(
        self,
        conn: Conn,
        *,
        rebuild: bool = False,
        concurrently: bool | None = None,
        workers: int | None = None,
        maintenance_work_mem: str | None = None,
        progress: OnProgress | None = None,
    ) -> BuildReport:
        """Build the index of short vectors.

        `keep` of this index says how the short values are kept. "generated" adds a
        column, which rewrites the table under an ACCESS EXCLUSIVE lock until the
        transaction ends, and rebuilds all indexes of the table. "trigger" adds a column
        that a trigger fills, and updates the rows that are there in batches, so that
        triggers on updates fire. "expression" adds no column. If `keep` is None, a
        table with rows and a vector index gets an expression index, another table
        above 16 MB a column with a trigger if it is built concurrently, and any other
        table a generated column. `rebuild=True` allows a generated column although
        vector indexes are rebuilt.

        `concurrently=True` builds while others write, and commits each step, so `conn`
        must be in autocommit and in no transaction. If interrupted, call it again.
        `concurrently=False` does all in one transaction, all or nothing. By default
        everything but a generated column is built concurrently, if `conn` allows.

        Creates only what is missing, so you can repeat it. `workers` and
        `maintenance_work_mem` ("2GB") apply to this build only. `progress` is called
        from another thread, which has a connection of its own.

        Raises IndexMismatch if a column or an index with one of these names has
        another definition, RebuildRefused if vector indexes would be rebuilt without
        `rebuild`, BuildRunning if another session builds on the table now, and
        NotInstalled without the `mrl` schema.
        """
        return run(
            conn,
            create.create(
                conn,
                self,
                rebuild=rebuild,
                concurrently=concurrently,
                workers=workers,
                maintenance_work_mem=maintenance_work_mem,
                progress=progress,
            ),
        )

    async def create_async(
        self,
        conn: AsyncConn,
        *,
        rebuild: bool = False,
        concurrently: bool | None = None,
        workers: int | None = None,
        maintenance_work_mem: str | None = None,
        progress: OnProgress | None = None,
    ) -> BuildReport:
        """The same as `create` on an asynchronous connection."""
        return await run_async(
            conn,
            create.create(
                conn,
                self,
                rebuild=rebuild,
                concurrently=concurrently,
                workers=workers,
                maintenance_work_mem=maintenance_work_mem,
                progress=progress,
            ),
        )

    def keep_as(
        self,
        conn: Conn,
        keep: Keep,
        *,
        rebuild: bool = False,
        progress: OnProgress | None = None,
    ) -> BuildReport:
        """Turn an index on an expression into a column with an index, or back.

        `keep` says how the short values are to be kept, as in `create`. The new index
        is built concurrently beside the old one, then both exchange their names, and
        the old one is dropped. Every search in between finds a usable index.
        Calibrations stay. `rebuild` and `progress` are as in `create`.

        Each step is committed, so `conn` must be in autocommit and in no transaction.
        If interrupted, call it again. From "generated" to "trigger" or back takes two
        calls, with "expression" in between, because both need a column of one name.

        Raises IndexNotFound if the registry has no index of this name in order,
        IndexMismatch if a column or an index of another's has a name that is needed,
        RebuildRefused, BuildRunning, InvalidSetting and NotInstalled.
        """
        return run(
            conn,
            keep_as.keep_as(conn, self, keep, rebuild=rebuild, progress=progress),
        )

    async def keep_as_async(
        self,
        conn: AsyncConn,
        keep: Keep,
        *,
        rebuild: bool = False,
        progress: OnProgress | None = None,
    ) -> BuildReport:
        """The same as `keep_as` on an asynchronous connection."""
        return await run_async(
            conn,
            keep_as.keep_as(conn, self, keep, rebuild=rebuild, progress=progress),
        )

    def drop(self, conn: Conn) -> BuildReport:
        """Undo `create`: drop the index, the short column and the registry row."""
        return run(conn, drop.drop(conn, self))

    async def drop_async(self, conn: AsyncConn) -> BuildReport:
        """The same as `drop` on an asynchronous connection."""
        return await run_async(conn, drop.drop(conn, self))

    def calibrate(
        self,
        conn: Conn,
        *,
        k: int = 10,
        sample: int | None = None,
        queries: "VectorsLike | None" = None,
        real_queries: bool = False,
        filter: Filter = None,
        params: Params = None,
        progress: OnProgress | None = None,
    ) -> Calibration:
        """Measure what searches find and cost on your rows, for `search(recall=0.99)`.

        Compares exact answers with those of wider and wider searches. The queries are
        `queries`, at most `sample` of the queries that `keep_query` stored
        (`real_queries=True`), or `sample` random rows (500, or 2,000 for k = 1), whose
        answers leave out the row itself. The fastest searches for each recall are
        stored in the database for all interfaces, and replace an older calibration for
        the same k and `filter`. A search with a `filter` uses a calibration with the
        same filter, or with filters that let through a similar share of rows. The index
        is searched about thirty times for each query. `progress` is called during the
        work.

        On an autocommit connection, every 32 queries are compared with all rows by a
        statement of their own, and every 20 queries searched for, so that no lock on
        the table and no snapshot is held for longer. In a transaction, all of it is one
        statement, and both are held until the transaction ends.

        Only the table's owner may calibrate. Raises InvalidSetting, InvalidVector,
        InvalidFilter, IndexNotFound and NotInstalled.
        """
        return run(
            conn,
            calibrate.calibrate(
                conn,
                self,
                k=k,
                sample=sample,
                queries=queries,
                real_queries=real_queries,
                filter=filter,
                params=params,
                progress=progress,
            ),
        )

    async def calibrate_async(
        self,
        conn: AsyncConn,
        *,
        k: int = 10,
        sample: int | None = None,
        queries: "VectorsLike | None" = None,
        real_queries: bool = False,
        filter: Filter = None,
        params: Params = None,
        progress: OnProgress | None = None,
    ) -> Calibration:
        """The same as `calibrate` on an asynchronous connection."""
        return await run_async(
            conn,
            calibrate.calibrate(
                conn,
                self,
                k=k,
                sample=sample,
                queries=queries,
                real_queries=real_queries,
                filter=filter,
                params=params,
                progress=progress,
            ),
        )

    def recall(
        self,
        conn: Conn,
        *,
        sample: int = 50,
        queries: "VectorsLike | None" = None,
        real_queries: bool = False,
        keep: bool = False,
        progress: OnProgress | None = None,
        **options: "Unpack[FilteredKeywords]",
    ) -> RecallReport:
        """Measure how many of the true nearest rows a search finds, and why not all.

        The other options are those of `search`. Answers are compared with exact answers
        for `queries`, for at most `sample` of the queries that `keep_query` stored
        (`real_queries=True`), or for `sample` random rows, whose answers leave out the
        row itself. `keep` writes the figures to `mrl.measurements`, for `history`; only
        the table's owner may do that. Each query reads every row twice.

        On an autocommit connection, each query is a statement of its own, so that no
        lock on the table and no snapshot is held for longer. In a transaction, all of
        it is one statement, and both are held until the transaction ends.

        Raises InvalidSetting, InvalidVector, InvalidFilter, IndexNotFound and
        NotInstalled.
        """
        return run(
            conn,
            recall_report.recall(
                conn,
                self,
                options_of(options, FilteredKeywords),
                sample=sample,
                queries=queries,
                real_queries=real_queries,
                keep=keep,
                progress=progress,
            ),
        )

    async def recall_async(
        self,
        conn: AsyncConn,
        *,
        sample: int = 50,
        queries: "VectorsLike | None" = None,
        real_queries: bool = False,
        keep: bool = False,
        progress: OnProgress | None = None,
        **options: "Unpack[FilteredKeywords]",
    ) -> RecallReport:
        """The same as `recall` on an asynchronous connection."""
        return await run_async(
            conn,
            recall_report.recall(
                conn,
                self,
                options_of(options, FilteredKeywords),
                sample=sample,
                queries=queries,
                real_queries=real_queries,
                keep=keep,
                progress=progress,
            ),
        )

    def history(self, conn: Conn) -> list[RecallReport]:
        """What `recall` measured and stored, oldest first; raises NotInstalled."""
        return run(conn, recall_report.history(conn, self))

    async def history_async(self, conn: AsyncConn) -> list[RecallReport]:
        """The same as `history` on an asynchronous connection."""
        return await run_async(conn, recall_report.history(conn, self))

    def keep_query(self, conn: Conn, query: VectorLike) -> bool:
        """Store a random part of the queries, for `calibrate(conn, real_queries=True)`.

        Call it with each search, because a search writes nothing. It does nothing
        until the table's owner turns sampling on (`mrl.sample_queries` in SQL,
        `mrl-pg queries`); the switch is read once a minute. The server decides at
        random. Returns True if the query was stored. No query is stored in a read-only
        or failed transaction, on a replica, or above isolation level read committed.

        Raises NotInstalled, and InvalidVector while sampling is on.
        """
        return run(conn, real_queries.keep_query(conn, self, query))

    async def keep_query_async(self, conn: AsyncConn, query: VectorLike) -> bool:
        """The same as `keep_query` on an asynchronous connection."""
        return await run_async(conn, real_queries.keep_query(conn, self, query))

    def search(
        self, conn: Conn, query: VectorLike, **options: "Unpack[SearchKeywords]"
    ) -> SearchResult:
        """The k rows nearest to a query, by full vectors, found in two passes.

        `query`: full size, as a list, an array of any float dtype, a Vector or a
        HalfVector. The options:

        - `k` (10): the most rows to return.
        - `candidates` (160, or 8 k if that is more): rows that the short index passes
          on for exact ranking. Above 1000 the index scan is iterative.
        - `ef_search` (candidates, at most 1000): a larger value searches more of the
          graph.
        - `max_scan_tuples` (the session's, 20000, or twice the candidates): how many
          rows a scan with a filter may visit.
        - `recall`, such as 0.95: uses the cheapest search that reached this recall in
          `calibrate`, unless you give `candidates`. The result's `promise` says whether
          the calibration supports it.
        - `filter`, with its values in `params`: a condition on the table's columns in
          SQL, for the first pass.
        - `columns` (none): columns to return with each hit.
        - `exact` (False): compares every row instead of using the index.

        No setting outlives the search. Rows without a distance (NULL, or zero under
        cosine) are never returned. Rows at the same distance are ordered by key.

        Raises InvalidVector, InvalidSetting, InvalidFilter, ColumnNotFound,
        IndexNotFound, IndexMismatch, and NotInstalled with a recall.
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
