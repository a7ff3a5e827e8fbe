"""Fills a second column with the rotated vectors of a column, while others write."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray
from psycopg import pq, sql

from mrl_pg import source
from mrl_pg.arguments import check_callable, check_whole, flag
from mrl_pg.build import online
from mrl_pg.build.rotated_rows import (
    LinkedColumns,
    count_apart,
    link_rotated,
    read_linked,
)
from mrl_pg.build.set_rotation import check_rotation, set_rotation
from mrl_pg.build.switch_column import count_rows, read_column
from mrl_pg.catalog import slots
from mrl_pg.catalog.facts import Facts
from mrl_pg.catalog.in_use import column_in_use
from mrl_pg.catalog.pages import Range, page_ranges
from mrl_pg.errors import (
    ColumnNotFound,
    InvalidSetting,
    RotationMismatch,
    TableError,
)
from mrl_pg.exchange import AnyConn, Call, Exchange, Send, cursors, look
from mrl_pg.exchange.progress import OnProgress
from mrl_pg.layout import ColumnLayout
from mrl_pg.load.block import Block
from mrl_pg.load.columns import definition
from mrl_pg.load.destination import Destination, VectorKind
from mrl_pg.load.exchange import Session
from mrl_pg.load.pack import Column
from mrl_pg.load.update import UpdateRun, read_table, update_held, update_rows
from mrl_pg.load.update_job import decide_update
from mrl_pg.load.update_report import UpdateReport
from mrl_pg.rotation import Rotation, fit

SAMPLE = 2_000
"""Rows to fit a rotation on: a few hundred are enough, and more cost little."""

MOST_SAMPLE = 1_000_000

ALL_ROWS = 20
"""A table of fewer times the sample is read as a whole, to draw from all of it."""

BLOCK_BYTES = 4 << 20
"""About the bytes of vectors that a statement reads."""

PASSES = 5
"""How often the table is read, because others add rows meanwhile."""


@dataclass(frozen=True, slots=True)
class RotateReport:
    """What a rotation of a column into another did, and what to do now.

    `rotation` turned the vectors of column `to`; it is None if they were rotated back.
    Of the rows with a vector in `column`, `filled` have one in `to` now, `written` of
    them by this run, and `missing` have none. `outdated` of those that this run wrote
    had the rotated vector of an older text. `fitted` is the number of rows on which
    this run fitted the rotation, 0 if it was given, or known from a run before.

    `linked` says whether the server goes on to fill `to` as rows are written, until
    `stop_rotating`. It cannot if the table has child tables by inheritance.
    """

    table: str
    column: str
    to: str
    rotation: Rotation | None
    added: bool
    fitted: int
    written: int
    filled: int
    missing: int
    seconds: float
    outdated: int = 0
    linked: bool = False

    @property
    def complete(self) -> bool:
        """Whether every row has its vector in the new column."""
        return not self.missing

    def __str__(self) -> str:
        """A line for each step."""
        turned = "rotated back"
        if self.rotation is not None:
            turned = f"rotated by {self.rotation.version}"
        fitted = f", fitted on {self.fitted:,} rows" if self.fitted else ""
        lines = [
            f"{self.table}.{self.to}{' (new)' if self.added else ''}: vectors of "
            f"{self.column}, {turned}{fitted}",
            f"filled {self.filled:,} rows, {self.written:,} by this run, in "
            f"{self.seconds:.1f} s",
        ]
        if self.outdated:
            lines.append(
                f"{self.outdated:,} of these had the vector of an older text in "
                f"{self.to}"
            )
        lines.append(
            f"from now on, what is written to {self.column} goes to {self.to}, too"
            if self.linked
            else "the table has child tables, so the application has to write both "
            "columns"
        )
        if self.missing:
            lines.append(
                f"{self.missing:,} rows have none yet, because others wrote or held "
                "them: run it again"
            )
        return "\n".join(lines)


def fit_rotation(column: ColumnLayout, sample: int) -> Exchange[Rotation]:
    """A rotation fitted on random rows of a column; nothing is changed."""
    facts = yield from read_column(column)
    return (yield from _fit(facts, column, sample))


def rotate(
    conn: AnyConn,
    column: ColumnLayout,
    to: str,
    *,
    rotation: Rotation | None,
    undo: bool,
    sample: int,
    progress: OnProgress | None,
) -> Exchange[RotateReport]:
    """Add column `to`, keep its rotation, and fill it; goes on if it is there."""
    started = time.perf_counter()
    if conn.info.transaction_status != pq.TransactionStatus.IDLE:
        raise InvalidSetting(
            "a rotation commits each batch, so it cannot run in a transaction of "
            "yours: commit or roll back first"
        )
    check_callable("progress", progress)
    back = flag("undo", undo)
    target = ColumnLayout(column.table, to, column.schema)
    if target.column == column.column:
        raise InvalidSetting(
            f"column {column} is both the old and the new one: name another with to= "
            "(--to)"
        )
    facts = yield from read_column(column)
    rotation, fitted = yield from _decide(facts, column, rotation, back, sample, target)
    added = yield from _add(facts, column, target, rotation)
    # before the first row is read, so that no later change is missed
    linked = yield from link_rotated(facts, column.column, target.column)
    outdated = yield from _empty_outdated(facts, column, target)
    zone = conn.info.parameter_status("TimeZone") or "set"
    session = Session(cursors.encoding(conn), zone)
    written = yield from _fill(facts, column, target, session, progress)
    counts = yield from count_rows(facts, column.column, target.column)
    return RotateReport(
        table=facts.where,
        column=column.column,
        to=target.column,
        rotation=rotation,
        added=added,
        fitted=fitted,
        written=written,
        filled=counts["filled"],
        missing=counts["missing"],
        seconds=time.perf_counter() - started,
        outdated=outdated,
        linked=linked,
    )


def _decide(
    facts: Facts,
    column: ColumnLayout,
    rotation: Rotation | None,
    back: bool,
    sample: int,
    target: ColumnLayout,
) -> Exchange[tuple[Rotation | None, int]]:
    """The rotation of the new column, and the number of rows it was fitted on."""
    if rotation is not None:
        check_rotation(column, facts, rotation)
    if back and rotation is not None:
        raise InvalidSetting(
            "undo and a rotation were both given: leave one of them out"
        )
    if back and facts.rotation is None:
        raise InvalidSetting(f"column {column} is not rotated: nothing to undo")
    if not back and facts.rotation is not None:
        raise InvalidSetting(
            f"column {column} is rotated by {facts.rotation.version} already: rotate "
            "it back first, with undo=True (--undo)"
        )
    there = yield from _read_if_there(target)
    if there is None:
        if back or rotation is not None:
            return rotation, 0
        made = yield from _fit(facts, column, sample)
        return made, made.provenance.rows
    if (there.full_type, there.full_dims) != (facts.full_type, facts.full_dims):
        raise TableError(
            f"column {target} is {there.full_type}({there.full_dims}), and {column} is "
            f"{facts.full_type}({facts.full_dims}): name another column with to= (--to)"
        )
    known = there.rotation
    if known is None and not back:
        # a run that broke off before it kept the rotation, or a column of the user's
        if rotation is not None:
            return rotation, 0
        made = yield from _fit(facts, column, sample)
        return made, made.provenance.rows
    if known is not None and (back or (rotation is not None and rotation != known)):
        wanted = "not rotated" if rotation is None else rotation.version
        raise RotationMismatch(
            f"column {target} is rotated by {known.version}, not {wanted}: name "
            "another column with to= (--to)"
        )
    return known, 0


def _read_if_there(column: ColumnLayout) -> Exchange[Facts | None]:
    try:
        return (yield from read_column(column))
    except ColumnNotFound:
        return None


def _fit(facts: Facts, column: ColumnLayout, sample: int) -> Exchange[Rotation]:
    wanted = check_whole("sample", sample, 1, MOST_SAMPLE, "a rotation")
    query = source.statement("estimated_rows").encode()
    (known,) = yield from look(query, {"table_id": facts.table_id})
    share = 100.0
    if known["rows"]:
        share = min(100.0, 100.0 * ALL_ROWS * wanted / known["rows"])
    vectors = yield from _draw(facts, column, wanted, share)
    if len(vectors) < wanted and share < 100:
        vectors = yield from _draw(facts, column, wanted, 100.0)
    if not len(vectors):
        raise TableError(
            f"column {column} has no vectors to fit a rotation on: fit one in "
            "mrl_pg.rotation, and give it with rotation= (--rotation)"
        )
    origin = f"{len(vectors)} random rows of {facts.where}.{column.column}"
    made: Rotation = yield Call(partial(fit, vectors, source=origin))
    return made


def _draw(
    facts: Facts, column: ColumnLayout, wanted: int, share: float
) -> Exchange[NDArray[np.float32]]:
    part = sql.SQL("tablesample pg_catalog.system ({})").format(sql.Literal(share))
    query = slots.statement(
        "sample_vectors",
        table=slots.name(facts.schema, facts.table),
        full=slots.name(column.column),
        extension=slots.home(facts.extension_schema.replace("%", "%%")),
        sample=part if share < 100 else sql.SQL(""),
    )
    rows = yield from look(query, {"rows": wanted}, binary=True)
    return _matrix([row["vector"] for row in rows], facts.full_dims)


def _matrix(vectors: Sequence[bytes], dims: int) -> NDArray[np.float32]:
    data = b"".join(bytes(vector)[4:] for vector in vectors)
    return np.frombuffer(data, ">f4").reshape(-1, dims).astype(np.float32)


def _add(
    facts: Facts,
    column: ColumnLayout,
    target: ColumnLayout,
    rotation: Rotation | None,
) -> Exchange[bool]:
    """Add the column if it is not there, and keep its rotation."""
    there = yield from _read_if_there(target)
    if there is None:
        vectors = Column(target.column, facts.full_type, facts.full_dims)
        add = slots.statement(
            "add_vector_column",
            table=slots.table_of(facts),
            column=definition(vectors, facts.extension_schema),
        )
        yield from online.with_short_lock(partial(_sent, add), {}, facts.table_id)
    if rotation is not None and (there is None or there.rotation is None):
        yield from set_rotation(target, rotation, False)
    # a text is searched by the model of the column
    names = {"from_column": column.column, "to_column": target.column}
    query = source.statement("copy_model").encode()
    yield Send(query, {"table_id": facts.table_id, **names})
    return there is None


def _sent(query: sql.Composed) -> Exchange[None]:
    yield Send(query)


def _empty_outdated(
    facts: Facts, column: ColumnLayout, target: ColumnLayout
) -> Exchange[int]:
    """Take away vectors of older texts, for the fill to write them again; how many.

    Rows have these if the application wrote the old column alone while no trigger was
    there, as in a column of an earlier version. Once searches use the new column, it
    may be the old one that is outdated.
    """
    if (yield from column_in_use(column)).column == target.column:
        return 0
    columns = yield from read_linked(facts, column.column, target.column)
    if not (yield from count_apart(facts, columns)):
        return 0
    emptied = 0
    for pages in (yield from page_ranges(facts, BLOCK_BYTES)):
        emptied += yield from _empty_range(facts, target, columns, pages)
    return emptied


def _empty_range(
    facts: Facts, target: ColumnLayout, columns: LinkedColumns, pages: Range
) -> Exchange[int]:
    query = slots.statement(
        "empty_apart",
        table=slots.table_of(facts),
        to_column=sql.Identifier(target.column),
        apart=columns.apart,
        **pages.slots(),
    )
    (row,) = yield Send(query)
    return int(row["emptied"])


def _fill(
    facts: Facts,
    column: ColumnLayout,
    target: ColumnLayout,
    session: Session,
    progress: OnProgress | None,
) -> Exchange[int]:
    """Fill rows without a vector in the new column; how many were written."""
    origin = f"column {column.column!r}"
    unused = "id" if target.column != "id" else "key"
    kind: VectorKind = "halfvec" if facts.full_type == "halfvec" else "vector"
    destination = Destination(
        origin, facts.table, facts.schema, target.column, unused, kind
    )
    server, key = yield from read_table(destination, (), session, False)
    counts = yield from count_rows(facts, column.column, target.column)
    total = counts["missing"]
    run: UpdateRun | None = None
    number = 0
    for _ in range(PASSES if total else 0):
        before = 0 if run is None else run.report.updated
        ranges = yield from page_ranges(facts, BLOCK_BYTES)
        for pages in ranges:
            block = yield from _read_rows(
                facts, column, target, key.names, pages, number
            )
            ranges.came(0 if block is None else len(block) * 4 * facts.full_dims)
            if block is None:
                continue
            number += len(block)
            if run is None:
                job = decide_update(destination, key, block, server, True)
                report = UpdateReport(
                    facts.where, target.column, facts.full_dims, only_missing=True
                )
                run = UpdateRun(job, report, progress, [], total)
            yield from update_rows(run, block)
        if run is None:
            break
        yield from update_held(run)
        written = run.report.updated - before
        left = yield from count_rows(facts, column.column, target.column)
        if not left["missing"] or not written:
            break
    return 0 if run is None else run.report.updated


def _read_rows(
    facts: Facts,
    column: ColumnLayout,
    target: ColumnLayout,
    keys: Sequence[str],
    pages: Range,
    first: int,
) -> Exchange[Block | None]:
    """Keys and vectors, as the model made them, of rows in a range of pages."""
    names = [sql.Identifier(f"mrl_key_{place}") for place, _ in enumerate(keys)]
    aliased = (
        sql.SQL("{} as {}").format(sql.Identifier(key), name)
        for key, name in zip(keys, names, strict=True)
    )
    query = slots.statement(
        "rows_to_rotate",
        table=slots.table_of(facts),
        keys=slots.comma(aliased),
        from_column=sql.Identifier(column.column),
        to_column=sql.Identifier(target.column),
        extension=slots.home(facts.extension_schema),
        **pages.slots(),
    )
    rows = yield from look(query)
    if not rows:
        return None
    vectors = _matrix([row["mrl_vector"] for row in rows], facts.full_dims)
    if facts.rotation is not None:
        vectors = facts.rotation.undo(vectors)
    by_key = [[row[f"mrl_key_{i}"] for row in rows] for i, _ in enumerate(keys)]
    return Block((*keys, target.column), (*by_key, vectors), first=first)
