"""The methods of a column that measure searches of one tenant."""

from dataclasses import replace
from typing import TYPE_CHECKING

from mrl_pg.calibration.calibrate import Calibration
from mrl_pg.calibration.of_tenant import calibrate_tenant, tenant_recall
from mrl_pg.calibration.recall_report import RecallReport
from mrl_pg.exchange import AsyncConn, Conn, run, run_async
from mrl_pg.exchange.progress import OnProgress
from mrl_pg.layout import ColumnLayout
from mrl_pg.search.options import FilteredKeywords, Tenant, options_of
from mrl_pg.vectors import VectorsLike

if TYPE_CHECKING:
    # in `typing` itself from Python 3.11 on
    from typing_extensions import Unpack


class MeasuredTenants(ColumnLayout):
    """Measuring what the index of a tenant finds."""

    __slots__ = ()

    def tenant_recall(
        self,
        conn: Conn,
        tenant: Tenant,
        *,
        sample: int = 50,
        queries: "VectorsLike | None" = None,
        keep: bool = False,
        progress: OnProgress | None = None,
        **options: "Unpack[FilteredKeywords]",
    ) -> RecallReport:
        """Measure how many of a tenant's true nearest rows a search of it finds.

        As `MatryoshkaIndex.recall`, by the index of the tenant, with `queries` or with
        `sample` random rows of the tenant. The other options are those of `search`.
        `keep` shows the recall in `mrl.tenant_indexes` and `tenants`. A tenant without
        an index is searched exactly, so the report has recall 1 and no queries.

        Raises what `MatryoshkaIndex.recall` raises, and TableError if the rows belong
        to no tenants.
        """
        return run(
            conn,
            tenant_recall(
                conn,
                self,
                replace(options_of(options, FilteredKeywords), tenant=tenant),
                sample=sample,
                queries=queries,
                keep=keep,
                progress=progress,
            ),
        )

    async def tenant_recall_async(
        self,
        conn: AsyncConn,
        tenant: Tenant,
        *,
        sample: int = 50,
        queries: "VectorsLike | None" = None,
        keep: bool = False,
        progress: OnProgress | None = None,
        **options: "Unpack[FilteredKeywords]",
    ) -> RecallReport:
        """The same as `tenant_recall` on an asynchronous connection."""
        return await run_async(
            conn,
            tenant_recall(
                conn,
                self,
                replace(options_of(options, FilteredKeywords), tenant=tenant),
                sample=sample,
                queries=queries,
                keep=keep,
                progress=progress,
            ),
        )

    def calibrate_tenant(
        self,
        conn: Conn,
        tenant: Tenant,
        *,
        k: int = 10,
        sample: int | None = None,
        queries: "VectorsLike | None" = None,
        progress: OnProgress | None = None,
    ) -> Calibration:
        """Measure what searches of a tenant find, for `search(tenant=…, recall=0.95)`.

        As `MatryoshkaIndex.calibrate`, by the index of the tenant, with `queries` or
        with `sample` random rows of the tenant (700, or 2,000 for k = 1, or all of
        them), whose answers leave out the row itself. It is one statement, which reads
        the rows of the tenant alone. Queries that were stored are those of all tenants,
        so they are not used.

        Only the table's owner may calibrate. Raises InvalidSetting, InvalidVector,
        TableError if the tenant has no index of its own, and NotInstalled.
        """
        return run(
            conn,
            calibrate_tenant(
                conn,
                self,
                tenant,
                k=k,
                sample=sample,
                queries=queries,
                progress=progress,
            ),
        )

    async def calibrate_tenant_async(
        self,
        conn: AsyncConn,
        tenant: Tenant,
        *,
        k: int = 10,
        sample: int | None = None,
        queries: "VectorsLike | None" = None,
        progress: OnProgress | None = None,
    ) -> Calibration:
        """The same as `calibrate_tenant` on an asynchronous connection."""
        return await run_async(
            conn,
            calibrate_tenant(
                conn,
                self,
                tenant,
                k=k,
                sample=sample,
                queries=queries,
                progress=progress,
            ),
        )
