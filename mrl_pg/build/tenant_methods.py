"""The methods of a column whose rows belong to tenants."""

from mrl_pg.build.tenants import (
    MOST,
    THRESHOLD,
    TenantsReport,
    TenantState,
    read_tenants,
    run_tenants,
    set_tenants,
)
from mrl_pg.exchange import AsyncConn, Conn, run, run_async
from mrl_pg.exchange.progress import OnProgress
from mrl_pg.kinds import Distance, Kind
from mrl_pg.layout import ColumnLayout


class TenantMethods(ColumnLayout):
    """Giving large tenants an index of their own."""

    __slots__ = ()

    def set_tenants(
        self,
        conn: Conn,
        key: str,
        *,
        threshold: int = THRESHOLD,
        low: int | None = None,
        most: int = MOST,
        dims: int | None = None,
        kind: Kind | None = None,
        distance: Distance | None = None,
        m: int | None = None,
        ef_construction: int | None = None,
    ) -> None:
        """Say that column `key` tells whose row it is. Builds nothing.

        A tenant of `threshold` rows or more is to have a short index of its own, until
        it has fewer than `low` rows (half the threshold); the `most` largest tenants
        get one, because each index makes every plan of the table a little slower.
        Searches with `tenant=` use it, and are exact for all other tenants. Call
        `run_tenants` to build them.

        `dims`, `kind`, `distance`, `m` and `ef_construction` are those of the index in
        use unless you give them; without one, the signs of all dimensions, cosine, 16
        and 64.

        Only the table's owner may. Raises InvalidSetting, TableError for a table with
        partitions or a key that is not there, IndexMismatch while tenants have indexes
        of another key, size, kind or distance, and NotInstalled.
        """
        return run(
            conn,
            set_tenants(
                self,
                key,
                threshold=threshold,
                low=low,
                most=most,
                dims=dims,
                kind=kind,
                distance=distance,
                m=m,
                ef_construction=ef_construction,
            ),
        )

    async def set_tenants_async(
        self,
        conn: AsyncConn,
        key: str,
        *,
        threshold: int = THRESHOLD,
        low: int | None = None,
        most: int = MOST,
        dims: int | None = None,
        kind: Kind | None = None,
        distance: Distance | None = None,
        m: int | None = None,
        ef_construction: int | None = None,
    ) -> None:
        """The same as `set_tenants` on an asynchronous connection."""
        return await run_async(
            conn,
            set_tenants(
                self,
                key,
                threshold=threshold,
                low=low,
                most=most,
                dims=dims,
                kind=kind,
                distance=distance,
                m=m,
                ef_construction=ef_construction,
            ),
        )

    def run_tenants(
        self,
        conn: Conn,
        *,
        dry_run: bool = False,
        measure: bool = False,
        calibrate: bool = False,
        workers: int | None = None,
        maintenance_work_mem: str | None = None,
        progress: OnProgress | None = None,
    ) -> TenantsReport:
        """Bring the indexes of tenants up to date: call it now and then.

        Counts the rows of each tenant by one scan of the ordinary index of the key,
        which it builds first if there is none. Then builds, drops and finishes indexes
        concurrently, while others read and write, so `conn` must be in autocommit and
        in no transaction. If interrupted, call it again. It drops only what it built.
        `dry_run` changes nothing. `measure` measures the recall of indexes that have
        none yet, and `calibrate` what `search(tenant=…, recall=…)` needs, of indexes
        that have none or other rows by now. `workers` and `maintenance_work_mem` are as
        in `create`.

        Raises TableError if the rows belong to no tenants, BuildRunning if another
        session builds on the table now, IndexMismatch if another object has the name of
        an index, InvalidSetting and NotInstalled.
        """
        return run(
            conn,
            run_tenants(
                conn,
                self,
                dry_run=dry_run,
                measure=measure,
                calibrate=calibrate,
                workers=workers,
                maintenance_work_mem=maintenance_work_mem,
                progress=progress,
            ),
        )

    async def run_tenants_async(
        self,
        conn: AsyncConn,
        *,
        dry_run: bool = False,
        measure: bool = False,
        calibrate: bool = False,
        workers: int | None = None,
        maintenance_work_mem: str | None = None,
        progress: OnProgress | None = None,
    ) -> TenantsReport:
        """The same as `run_tenants` on an asynchronous connection."""
        return await run_async(
            conn,
            run_tenants(
                conn,
                self,
                dry_run=dry_run,
                measure=measure,
                calibrate=calibrate,
                workers=workers,
                maintenance_work_mem=maintenance_work_mem,
                progress=progress,
            ),
        )

    def drop_tenants(self, conn: Conn, *, dry_run: bool = False) -> TenantsReport:
        """Undo `set_tenants` and all runs: drop the indexes, and forget the key.

        The ordinary index of the key stays. Raises what `run_tenants` raises.
        """
        return run(conn, run_tenants(conn, self, drop_all=True, dry_run=dry_run))

    async def drop_tenants_async(
        self, conn: AsyncConn, *, dry_run: bool = False
    ) -> TenantsReport:
        """The same as `drop_tenants` on an asynchronous connection."""
        return await run_async(
            conn, run_tenants(conn, self, drop_all=True, dry_run=dry_run)
        )

    def tenants(self, conn: Conn) -> tuple[TenantState, ...]:
        """The tenants that have an index of their own, the largest first.

        Empty for a role that does not own the table, and for a column without tenants.
        """
        return run(conn, read_tenants(self))

    async def tenants_async(self, conn: AsyncConn) -> tuple[TenantState, ...]:
        """The same as `tenants` on an asynchronous connection."""
        return await run_async(conn, read_tenants(self))
