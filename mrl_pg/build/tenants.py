"""Indexes of single tenants: which tenants get one, building and dropping them."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Literal, TypeAlias

from psycopg import errors

from mrl_pg import source
from mrl_pg.arguments import check_callable, flag
from mrl_pg.build import online
from mrl_pg.build.create import settings_of
from mrl_pg.build.progress import watch
from mrl_pg.catalog.facts import check_installed, no_table
from mrl_pg.catalog.in_use import name_of
from mrl_pg.catalog.read import read_column_facts
from mrl_pg.errors import IndexMismatch, InvalidSetting, SpreadTable, TableError
from mrl_pg.exchange import AnyConn, Exchange, Row, Send, commits_each, look
from mrl_pg.exchange.progress import OnProgress, Progress
from mrl_pg.exchange.server_message import server_message
from mrl_pg.kinds import Distance, Kind
from mrl_pg.layout import ColumnLayout, check_name
from mrl_pg.search.options import MAX_ROWS, check_count

THRESHOLD = 5000
"""Rows at which a tenant gets an index of its own, unless the owner says otherwise."""

MOST = 100
"""The most indexes of tenants of a column, unless the owner says otherwise."""

CHANGED = 0.2
"""The share of the rows that may come or go; `mrl._change` has the same."""

State: TypeAlias = Literal["valid", "building", "invalid", "missing"]
"""Of the index of a tenant: only a valid one answers searches."""


@dataclass(frozen=True, slots=True)
class TenantState:
    """A tenant that has an index of its own, or is to have one.

    `tenant` is the key as text. `rows` are those at the build or at the last vacuum or
    analyze. `recall` was measured for `k` answers, on `queries` rows of the tenant, and
    `low` is the lower end of its 95 % interval; all are None if it was not measured.
    `calibrated_rows` are those at the calibration, None if there is none.
    """

    tenant: str
    index_name: str
    state: State
    rows: int | None
    index_bytes: int | None
    recall: float | None
    k: int | None
    low: float | None = None
    queries: int | None = None
    calibrated_rows: int | None = None

    @property
    def wants_calibration(self) -> bool:
        """Whether there is none, or a fifth of the rows came or went since."""
        before = self.calibrated_rows
        if self.state != "valid" or before is None or self.rows is None:
            return self.state == "valid"
        return abs(self.rows - before) > CHANGED * before

    def __str__(self) -> str:
        """`42: 20,000 rows, 4.1 MB, valid`."""
        parts = [
            None if self.rows is None else f"{self.rows:,} rows",
            None if self.index_bytes is None else f"{self.index_bytes / 1e6:,.1f} MB",
            self.state,
            None
            if self.recall is None
            else f"recall {self.recall:.3f} of its own rows at k {self.k}",
        ]
        return f"{self.tenant}: {', '.join(part for part in parts if part)}"


@dataclass(frozen=True, slots=True)
class TenantStep:
    """A statement that a run sends: what it is for, and for which tenant.

    `what` is "prepare" (the ordinary index of the key), "build", "drop" or "forget";
    `rows` are the tenant's, as counted by this run.
    """

    what: str
    tenant: str | None
    rows: int | None
    index_name: str | None
    statement: str
    how: str

    def __str__(self) -> str:
        """`build docs_embedding_tenant_a1 for tenant 42 (20,000 rows)`."""
        of = "" if self.tenant is None else f" for tenant {self.tenant}"
        rows = "" if self.rows is None else f" ({self.rows:,} rows)"
        return f"{self.what} {self.index_name or 'tenants'}{of}{rows}"


@dataclass(frozen=True, slots=True)
class TenantsReport:
    """What a run did about the indexes of tenants.

    `steps` were carried out, or would be with `dry_run`, and `seconds` says how long
    each took. `indexes` are there now, the largest first.
    """

    steps: tuple[TenantStep, ...]
    seconds: tuple[float, ...]
    indexes: tuple[TenantState, ...]
    dry_run: bool = False

    @property
    def changed(self) -> bool:
        """Whether anything was done."""
        return bool(self.seconds)

    def __str__(self) -> str:
        """A line for each index that was built or dropped, and one for all of them."""
        took = self.seconds or tuple(0.0 for _ in self.steps)
        lines = [
            f"would {step}" if self.dry_run else f"{step} in {seconds:.1f} s"
            for step, seconds in zip(self.steps, took, strict=True)
            if step.how == "concurrently"
        ]
        bytes = sum(state.index_bytes or 0 for state in self.indexes)
        usable = sum(state.state == "valid" for state in self.indexes)
        lines.append(f"{usable} tenants have an index, {bytes / 1e6:,.1f} MB together")
        return "\n".join(lines if self.steps else ["nothing to do", *lines])


def set_tenants(
    searched: ColumnLayout,
    key: str,
    *,
    threshold: int,
    low: int | None,
    most: int,
    dims: int | None,
    kind: Kind | None,
    distance: Distance | None,
    m: int | None,
    ef_construction: int | None,
) -> Exchange[None]:
    """Say which column tells whose row it is; builds nothing."""
    check_name("key", key)
    check_count("threshold", threshold, MAX_ROWS)
    facts = yield from read_column_facts(searched)
    check_installed(facts)
    values = {
        "table": name_of(searched),
        "column": searched.column,
        "key": key,
        "threshold": threshold,
        "low": low,
        "most": most,
        "dims": dims,
        "kind": kind,
        "distance": distance,
        "m": m,
        "ef_construction": ef_construction,
    }
    try:
        yield Send(source.statement("set_tenants"), values)
    except (errors.InvalidParameterValue, errors.DatatypeMismatch) as error:
        raise InvalidSetting(f"{searched}: {server_message(error)}") from error
    except errors.ObjectNotInPrerequisiteState as error:
        raise IndexMismatch(f"{searched}: {server_message(error)}") from error
    except errors.UndefinedColumn as error:
        raise TableError(str(server_message(error))) from error
    except errors.FeatureNotSupported as error:
        # partitions, or shards of Citus
        refusal = TableError if facts.distribution is None else SpreadTable
        raise refusal(str(server_message(error))) from error


def read_tenants(searched: ColumnLayout) -> Exchange[tuple[TenantState, ...]]:
    """The tenants that have an index, the largest first."""
    check_installed((yield from read_column_facts(searched)))
    rows = yield from look(
        source.statement("tenant_indexes").encode(), _place(searched)
    )
    return tuple(
        TenantState(
            row["tenant"],
            row["index_name"],
            row["state"],
            row["estimated_rows"],
            row["index_bytes"],
            row["recall"],
            row["k"],
            row["low"],
            row["queries"],
            row["calibrated_rows"],
        )
        for row in rows
    )


def run_tenants(
    conn: AnyConn,
    searched: ColumnLayout,
    *,
    drop_all: bool = False,
    dry_run: bool = False,
    measure: bool = False,
    calibrate: bool = False,
    workers: int | None = None,
    maintenance_work_mem: str | None = None,
    progress: OnProgress | None = None,
) -> Exchange[TenantsReport]:
    """Build what is missing and drop what is too small, one index after the other."""
    dry_run, measure = flag("dry_run", dry_run), flag("measure", measure)
    calibrate = flag("calibrate", calibrate)
    check_callable("progress", progress)
    chosen = settings_of(workers, maintenance_work_mem)
    facts = yield from read_column_facts(searched)
    check_installed(facts)
    if dry_run:
        steps = yield from _read_steps(searched, drop_all)
        states = yield from read_tenants(searched)
        return TenantsReport(steps, (), states, dry_run=True)
    if not commits_each(conn):
        raise InvalidSetting(
            "indexes of tenants in a transaction: PostgreSQL builds an index "
            "concurrently only outside any; open the connection with autocommit=True"
        )
    body = _carry_out(conn, searched, drop_all, chosen, progress)
    steps, seconds = yield from online.alone(searched, facts.table_id, body)
    if measure:
        yield from _measure(searched, progress)
    if calibrate:
        yield from _calibrate(searched, progress)
    return TenantsReport(steps, seconds, (yield from read_tenants(searched)))


def _carry_out(
    conn: AnyConn,
    searched: ColumnLayout,
    drop_all: bool,
    chosen: dict[str, str],
    progress: OnProgress | None,
) -> Exchange[tuple[tuple[TenantStep, ...], tuple[float, ...]]]:
    watched = partial(watch, conn, progress)
    steps = yield from _read_steps(searched, drop_all)
    seconds = []
    for place, step in enumerate(steps):
        if progress is not None:
            progress(Progress(str(step), place, len(steps)))
        start = time.perf_counter()
        with _explained(searched):
            if step.how == "concurrently":
                with watched():
                    yield from online.concurrently(step.statement, chosen)
            else:
                yield Send(step.statement)
        seconds.append(time.perf_counter() - start)
    return steps, tuple(seconds)


def _measure(searched: ColumnLayout, progress: OnProgress | None) -> Exchange[None]:
    """Measure the recall of every index that has none yet."""
    states = yield from read_tenants(searched)
    todo = [s for s in states if s.state == "valid" and s.recall is None]
    for place, state in enumerate(todo):
        if progress is not None:
            progress(Progress(f"recall of tenant {state.tenant}", place, len(todo)))
        asked = {**_place(searched), "tenant": state.tenant, "k": 10, "sample": 50}
        yield Send(source.statement("tenant_recall"), asked)


def _calibrate(searched: ColumnLayout, progress: OnProgress | None) -> Exchange[None]:
    """Calibrate every index that has no calibration, or that has other rows by now."""
    states = yield from read_tenants(searched)
    todo = [state for state in states if state.wants_calibration]
    for place, state in enumerate(todo):
        if progress is not None:
            progress(
                Progress(f"calibration of tenant {state.tenant}", place, len(todo))
            )
        asked = {**_place(searched), "tenant": state.tenant}
        yield Send(source.statement("calibrate_tenant"), asked)


def _read_steps(
    searched: ColumnLayout, drop_all: bool
) -> Exchange[tuple[TenantStep, ...]]:
    asked = {**_place(searched), "drop_all": drop_all}
    with _explained(searched):
        rows = yield from look(source.statement("tenant_steps").encode(), asked)
    return tuple(_step(row) for row in rows)


@contextmanager
def _explained(searched: ColumnLayout) -> Iterator[None]:
    """Raise what the server says of a table that is not as it must be."""
    try:
        yield
    except (errors.ObjectNotInPrerequisiteState, errors.UndefinedColumn) as error:
        raise TableError(str(server_message(error))) from error
    except (errors.DuplicateObject, errors.DuplicateTable) as error:
        raise IndexMismatch(f"{searched}: {server_message(error)}") from error
    except errors.UndefinedTable as error:
        raise no_table(name_of(searched)) from error
    except errors.FeatureNotSupported as error:
        raise SpreadTable(str(server_message(error))) from error


def _step(row: Row) -> TenantStep:
    return TenantStep(
        row["step"],
        row["tenant"],
        row["rows"],
        row["index_name"],
        row["statement"],
        row["how"],
    )


def _place(searched: ColumnLayout) -> dict[str, str]:
    return {"table": name_of(searched), "column": searched.column}
