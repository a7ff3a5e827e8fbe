"""Builds another size or kind beside an index, measures both, and switches."""

from psycopg import sql

from mrl_pg import source
from mrl_pg.arguments import flag
from mrl_pg.build.create import create
from mrl_pg.build.drop import drop
from mrl_pg.calibration import measuring, real_queries
from mrl_pg.calibration.calibrate import Calibration, calibrate
from mrl_pg.errors import InvalidSetting
from mrl_pg.exchange import AnyConn, Exchange, Send
from mrl_pg.exchange.progress import OnProgress
from mrl_pg.layout import IndexLayout
from mrl_pg.resize.report import ResizedIndex, ResizeReport
from mrl_pg.resize.switch import switch


def resize(
    conn: AnyConn,
    old: IndexLayout,
    new: IndexLayout,
    *,
    measured: bool,
    k: int,
    sample: int | None,
    switched: bool,
    drop_old: bool,
    rebuild: bool,
    workers: int | None,
    maintenance_work_mem: str | None,
    progress: OnProgress | None,
) -> Exchange[ResizeReport]:
    """Another index beside the old one; see `MatryoshkaIndex.resize`."""
    if (old.dims, old.kind) == (new.dims, new.kind):
        raise InvalidSetting(
            f"{old} has {new.dims} dimensions of {new.kind} already: give other dims, "
            "or another kind"
        )
    measured, switched = flag("calibrate", measured), flag("switch", switched)
    if flag("drop_old", drop_old) and not switched:
        raise InvalidSetting(
            "drop_old=True without switch=True: searches use the old index until the "
            "switch; call index.drop(conn) to drop it all the same"
        )
    # raises if there is nothing to compare with
    old, _ = yield from measuring.ready(conn, old)
    build = yield from create(
        conn,
        new,
        rebuild=rebuild,
        workers=workers,
        maintenance_work_mem=maintenance_work_mem,
        progress=progress,
    )
    real = measured and (yield from real_queries.in_force(old)).kept > 0
    both: list[ResizedIndex] = []
    for layout in (old, new):
        calibration: Calibration | None = None
        if measured:
            calibration = yield from calibrate(
                conn,
                layout,
                k=k,
                sample=sample,
                queries=None,
                real_queries=real,
                rows=False,
                filter=None,
                params=None,
                progress=progress,
            )
        both.append(ResizedIndex(layout, (yield from _size(layout)), calibration))
    if switched:
        yield from switch(conn, new)
    dropped = (yield from drop(conn, old)) if drop_old else None
    before, after = both
    return ResizeReport(before, after, build, real, switched, dropped)


def _size(layout: IndexLayout) -> Exchange[int]:
    parts = filter(None, (layout.schema, layout.table))
    names = {
        "table": sql.Identifier(*parts).as_string(),
        "index_name": layout.name,
    }
    rows = yield Send(source.statement("bytes_of_index").encode(), names)
    size: int = rows[0]["index_bytes"]
    return size
