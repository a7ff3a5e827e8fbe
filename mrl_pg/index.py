"""MatryoshkaIndex: the layout of a short column, and a method for each task."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from mrl_pg.build import create, drop, keep_as, preflight
from mrl_pg.build.preflight import Preflight
from mrl_pg.build.report import BuildReport
from mrl_pg.calibration import calibrate, real_queries, recall_report
from mrl_pg.calibration.calibrate import Calibration
from mrl_pg.calibration.recall_report import RecallReport
from mrl_pg.exchange import AsyncConn, Conn, run, run_async
from mrl_pg.exchange.progress import OnProgress
from mrl_pg.kinds import Keep, Kind
from mrl_pg.layout import IndexLayout
from mrl_pg.resize import resize, switch
from mrl_pg.resize.report import ResizeReport
from mrl_pg.rows.methods import RowMethods
from mrl_pg.search.filter import Filter, Params
from mrl_pg.search.methods import SearchMethods
from mrl_pg.search.options import FilteredKeywords, options_of
from mrl_pg.search.result import SearchResult
from mrl_pg.vectors import VectorLike, VectorsLike

if TYPE_CHECKING:
    # in `typing` itself from Python 3.11 on
    from typing_extensions import Unpack


@dataclass(frozen=True, slots=True)
class MatryoshkaIndex(SearchMethods, RowMethods, IndexLayout):
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
        vector indexes are rebuilt. A table of Citus gets an expression index on each
        shard, and no column.

        `concurrently=True` builds while others write, and commits each step, so `conn`
        must be in autocommit and in no transaction. If interrupted, call it again.
        `concurrently=False` does all in one transaction, all or nothing. By default
        everything but a generated column is built concurrently, if `conn` allows.

        Creates only what is missing, so you can repeat it. `workers` and
        `maintenance_work_mem` ("2GB") apply to this build only. `progress` is called
        from another thread, which has a connection of its own.

        Raises IndexMismatch if a column or an index with one of these names has
        another definition, RebuildRefused if vector indexes would be rebuilt without
        `rebuild`, BuildRunning if another session builds on the table now, SpreadTable
        for a column on a table of Citus, and NotInstalled without the `mrl` schema.
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

    def preflight(
        self,
        conn: Conn,
        *,
        rebuild: bool = False,
        concurrently: bool | None = None,
        workers: int | None = None,
        maintenance_work_mem: str | None = None,
    ) -> Preflight:
        """What `create` with the same arguments would do and need.

        It changes nothing: no row is written, and no lock is held that anybody waits
        for. It reads up to 256 pages of each table or partition, and times a few
        thousand distances. `print(index.preflight(conn))` shows each statement with
        its lock, disk and memory, workers, time, the other indexes of the table, and
        the transactions that a concurrent build has to wait for.

        Raises what `create` raises, except that a refusal is in `refused`.
        """
        return run(
            conn,
            preflight.preflight(
                conn,
                self,
                rebuild=rebuild,
                concurrently=concurrently,
                workers=workers,
                maintenance_work_mem=maintenance_work_mem,
            ),
        )

    async def preflight_async(
        self,
        conn: AsyncConn,
        *,
        rebuild: bool = False,
        concurrently: bool | None = None,
        workers: int | None = None,
        maintenance_work_mem: str | None = None,
    ) -> Preflight:
        """The same as `preflight` on an asynchronous connection."""
        return await run_async(
            conn,
            preflight.preflight(
                conn,
                self,
                rebuild=rebuild,
                concurrently=concurrently,
                workers=workers,
                maintenance_work_mem=maintenance_work_mem,
            ),
        )

    def drop(self, conn: Conn) -> BuildReport:
        """Undo `create`: drop the index, the short column and the registry row."""
        return run(conn, drop.drop(conn, self))

    async def drop_async(self, conn: AsyncConn) -> BuildReport:
        """The same as `drop` on an asynchronous connection."""
        return await run_async(conn, drop.drop(conn, self))

    def switch(self, conn: Conn) -> str:
        """Make this index the one that searches use if they name none.

        Those are searches of a `MatryoshkaColumn`, and searches in SQL without dims,
        kind and index name. All of them use it from their next search on, or from the
        end of your transaction on. Nothing is locked or built. To go back, call it on
        the other index. Returns the name of the index.

        Only the table's owner may switch. Raises IndexNotFound, IndexMismatch and
        NotInstalled.
        """
        return run(conn, switch.switch(conn, self))

    async def switch_async(self, conn: AsyncConn) -> str:
        """The same as `switch` on an asynchronous connection."""
        return await run_async(conn, switch.switch(conn, self))

    def resize(
        self,
        conn: Conn,
        *,
        dims: int | None = None,
        kind: Kind | None = None,
        keep: Keep | None = None,
        calibrate: bool = True,
        k: int = 10,
        sample: int | None = None,
        switch: bool = False,
        drop_old: bool = False,
        rebuild: bool = False,
        workers: int | None = None,
        maintenance_work_mem: str | None = None,
        progress: OnProgress | None = None,
    ) -> ResizeReport:
        """Build another size or kind beside this index, and measure both.

        Builds as `create` does, which explains `keep`, `rebuild`, `workers`,
        `maintenance_work_mem` and `progress`. Then calibrates both indexes for this `k`
        as `calibrate` does, with stored real queries if there are any, else with
        `sample` random rows; `calibrate=False` leaves that out. `switch=True` then
        makes the new index the one in use, and `drop_old=True` drops this one. Without
        them, look at the report, and call `switch` on the new index when you like.

        Safe to repeat until the switch. Raises InvalidSetting if neither dims nor kind
        differ, IndexNotFound if this index is not there, and what `create` and
        `calibrate` raise.
        """
        return run(
            conn,
            resize.resize(
                conn,
                self,
                _resized(self, dims, kind, keep),
                measured=calibrate,
                k=k,
                sample=sample,
                switched=switch,
                drop_old=drop_old,
                rebuild=rebuild,
                workers=workers,
                maintenance_work_mem=maintenance_work_mem,
                progress=progress,
            ),
        )

    async def resize_async(
        self,
        conn: AsyncConn,
        *,
        dims: int | None = None,
        kind: Kind | None = None,
        keep: Keep | None = None,
        calibrate: bool = True,
        k: int = 10,
        sample: int | None = None,
        switch: bool = False,
        drop_old: bool = False,
        rebuild: bool = False,
        workers: int | None = None,
        maintenance_work_mem: str | None = None,
        progress: OnProgress | None = None,
    ) -> ResizeReport:
        """The same as `resize` on an asynchronous connection."""
        return await run_async(
            conn,
            resize.resize(
                conn,
                self,
                _resized(self, dims, kind, keep),
                measured=calibrate,
                k=k,
                sample=sample,
                switched=switch,
                drop_old=drop_old,
                rebuild=rebuild,
                workers=workers,
                maintenance_work_mem=maintenance_work_mem,
                progress=progress,
            ),
        )

    def calibrate(
        self,
        conn: Conn,
        *,
        k: int = 10,
        sample: int | None = None,
        queries: "VectorsLike | None" = None,
        weights: Sequence[float] | None = None,
        real_queries: bool = False,
        rows: bool = False,
        filter: Filter = None,
        params: Params = None,
        progress: OnProgress | None = None,
    ) -> Calibration:
        """Measure what searches find and cost on your rows, for `search(recall=0.99)`.

        Compares exact answers with those of wider and wider searches. The queries are
        `queries`, at most `sample` of the queries that `keep_query` stored, if these
        are at least 100 (with `real_queries=True` any number), else, or with
        `rows=True`, `sample` random rows (700, or 2,000 for k = 1), whose answers leave
        out the row itself. The result's `basis` says which. The fastest searches for
        each recall are stored in the database for all interfaces, and replace an older
        calibration for the same k and `filter`. A search with a `filter` uses a
        calibration with the same filter, or with filters that let through a similar
        share of rows. With a filter, as many rows that it turns away are measured
        beside those that it lets through, and what finds less counts. Exact search is
        stored, too, if the index is no faster. `weights` say what each of the `queries`
        counts, by default 1. `progress` is called during the work, and first says about
        how long it takes.

        On an autocommit connection, every 64 queries are compared with all rows by a
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
                weights=weights,
                real_queries=real_queries,
                rows=rows,
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
        weights: Sequence[float] | None = None,
        real_queries: bool = False,
        rows: bool = False,
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
                weights=weights,
                real_queries=real_queries,
                rows=rows,
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

        On a table of Citus each query is searched for and compared by two searches,
        which tell no losses.

        Raises InvalidSetting, InvalidVector, InvalidFilter, IndexNotFound and
        NotInstalled, and SpreadTable for `keep` and `real_queries` on a table of Citus.
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

    def keep_distance(self, conn: Conn, result: SearchResult) -> bool:
        """Store how far the last answer of a random part of the searches is.

        It stores a number with k and the day, and nothing of the query. `calibrate`
        compares with these distances what it measures, so that it holds for real
        queries. Does nothing until the table's owner allows it with
        `mrl.sample_distances` or `mrl-pg queries --distances`, for a search with a
        filter or with fewer than k answers, on a replica, or in a transaction that is
        read-only, has failed or is above read committed. Returns whether the distance
        was stored.

        Raises InvalidSetting and NotInstalled.
        """
        return run(conn, real_queries.keep_distance(conn, self, result))

    async def keep_distance_async(self, conn: AsyncConn, result: SearchResult) -> bool:
        """The same as `keep_distance` on an asynchronous connection."""
        return await run_async(conn, real_queries.keep_distance(conn, self, result))


def _resized(
    index: MatryoshkaIndex, dims: int | None, kind: Kind | None, keep: Keep | None
) -> MatryoshkaIndex:
    """The index of another size or kind, with derived names."""
    return replace(
        index,
        dims=index.dims if dims is None else dims,
        kind=index.kind if kind is None else kind,
        short="",
        name="",
        keep=keep,
    )
