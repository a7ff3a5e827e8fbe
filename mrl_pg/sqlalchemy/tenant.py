"""A Select of one tenant's rows: the server says whether the tenant has an index."""

from dataclasses import replace
from typing import Any, TypeVar

from psycopg import sql
from sqlalchemy import Connection, literal_column, true
from sqlalchemy.orm import Session
from sqlalchemy.sql.selectable import GenerativeSelect

from mrl_pg.arguments import shown
from mrl_pg.errors import InvalidSetting
from mrl_pg.layout import ColumnLayout, IndexLayout
from mrl_pg.search.options import SearchOptions
from mrl_pg.search.tenant import read_tenant
from mrl_pg.sqlalchemy.declare import check
from mrl_pg.sqlalchemy.driver import run

Statement = TypeVar("Statement", bound=GenerativeSelect)


def of_tenant(
    statement: Statement,
    full: Any,
    options: SearchOptions,
    on: Connection | Session | None,
) -> tuple[Statement, IndexLayout, SearchOptions]:
    """The Select of the rows of a tenant, the index to search by, and the options.

    The options ask for an exact search if the tenant has no index of its own.
    """
    if options.wants_promise:
        raise InvalidSetting(
            f"recall={options.recall} with tenant={shown(options.tenant)}: a Select "
            "does not read the calibration of a tenant; give the candidates and the "
            "ef_search that MatryoshkaColumn.search(conn, …, recall=…, tenant=…) says "
            "it took, or exact=True"
        )
    base = next(iter(full.base_columns))
    asked = ColumnLayout(base.table.name, base.name, base.table.schema or "")
    own = run(_connection(options, on), read_tenant(asked, str(options.tenant)))
    keys = [each for each in full.table.columns if each.name == own.key_column]
    if not keys:
        raise InvalidSetting(
            f"tenant={shown(options.tenant)}: the model of {asked.table} has no column "
            f"{own.key_column!r}, which has the keys; map it"
        )
    check(base, own.layout.dims)
    # written out, because the planner has to know the value to take the index
    written = f"{sql.Literal(own.key).as_string()}::{own.key_type}"
    is_own: Any = keys[0].bool_op("operator(pg_catalog.=)")(literal_column(written))
    exact = options.exact or not own.has_index
    rows: Any = statement
    narrowed: Statement = rows.where(is_own if exact else is_own.is_(true()))
    # the index has no column, only an expression
    layout = replace(own.layout, keep="expression")
    return narrowed, layout, replace(options, exact=exact)


def _connection(options: SearchOptions, on: Connection | Session | None) -> Connection:
    if isinstance(on, Session):
        return on.connection()
    if isinstance(on, Connection):
        return on
    raise InvalidSetting(
        f"tenant={shown(options.tenant)} with on={shown(on)}: a Select is put together "
        "without a look at the database, so give on=session or on=connection, which "
        "asks whether the tenant has an index; with an AsyncSession, call search by "
        "run_sync"
    )
