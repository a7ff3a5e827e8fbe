"""Measures the searches of one tenant, by the tenant's own index."""

from mrl_pg import arguments
from mrl_pg.calibration import measuring
from mrl_pg.calibration.calibrate import Calibration, as_calibration
from mrl_pg.calibration.recall_report import RecallReport, exact_report, recall
from mrl_pg.catalog.read import forget_facts
from mrl_pg.errors import TableError
from mrl_pg.exchange import AnyConn, Exchange, Send
from mrl_pg.exchange.progress import OnProgress
from mrl_pg.layout import ColumnLayout
from mrl_pg.search.options import SearchOptions, Tenant, check_tenant
from mrl_pg.search.tenant import read_tenant
from mrl_pg.vectors import VectorsLike


def tenant_recall(
    conn: AnyConn,
    searched: ColumnLayout,
    options: SearchOptions,
    *,
    sample: int,
    queries: "VectorsLike | None",
    keep: bool,
    progress: OnProgress | None,
) -> Exchange[RecallReport]:
    """Measure one search of the tenant in the options."""
    own = yield from read_tenant(searched, str(options.tenant))
    if not own.has_index:
        return exact_report(own.layout, options.k, "")
    return (
        yield from recall(
            conn,
            own.layout,
            options,
            sample=sample,
            queries=queries,
            real_queries=False,
            keep=keep,
            progress=progress,
        )
    )


def calibrate_tenant(
    conn: AnyConn,
    searched: ColumnLayout,
    tenant: Tenant,
    *,
    k: int,
    sample: int | None,
    queries: "VectorsLike | None",
    progress: OnProgress | None,
) -> Exchange[Calibration]:
    """Measure the searches of one tenant by a statement, and store them."""
    arguments.check_callable("progress", progress)
    own = yield from read_tenant(searched, check_tenant(tenant))
    if not own.has_index:
        raise TableError(
            f"tenant {own.key!r} of {searched} has no usable index of its own: its "
            "searches are exact, and find everything"
        )
    layout, facts = yield from measuring.ready(conn, own.layout)
    values = yield from measuring.values(
        layout, facts, k, sample, queries, real_queries=False
    )
    # which index it is, the server finds out by the tenant
    values |= {"filter": None, "index_name": None, "tenant": own.key}
    with (
        measuring.explained(conn, layout, facts, None),
        measuring.reported(conn, progress),
    ):
        made = yield Send(measuring.statement("calibrate", facts), values)
    forget_facts(conn, layout)
    # the server has warned if it is busy
    return as_calibration(layout, k, made, {"noise": None, "is_busy": False})
