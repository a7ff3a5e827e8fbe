"""Writes rows by key: inserts those that are new, and updates the others."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import get_args

from psycopg import errors

from mrl_pg.arguments import check_callable, check_choice
from mrl_pg.errors import InvalidFile, KeyExists
from mrl_pg.exchange import AnyConn, Call, Exchange, Row, Send, transaction
from mrl_pg.exchange.arrays import Array
from mrl_pg.exchange.progress import OnProgress, Progress
from mrl_pg.layout import Searched
from mrl_pg.load.block import Block, refusal, refuse
from mrl_pg.load.by_key import key_hashes, key_of_row, key_values
from mrl_pg.load.halving import ABOUT_ROWS, refused_row
from mrl_pg.load.pack import Packed
from mrl_pg.load.report import explained
from mrl_pg.rows.facts import ORIGIN, RowFacts, known_row_facts
from mrl_pg.rows.given import GivenRows, blocks_of
from mrl_pg.rows.parts import RowParts, read_row_parts
from mrl_pg.rows.report import UpsertReport
from mrl_pg.rows.upsert_job import IfExists, UpsertJob, decide_upsert


@dataclass(slots=True)
class UpsertRun:
    """An upsert under way: the number of the row that had each key, and the report."""

    facts: RowFacts
    parts: RowParts | None
    if_exists: IfExists
    progress: OnProgress | None
    report: UpsertReport
    numbers: dict[int, int] = field(default_factory=dict)


def upsert(
    conn: AnyConn,
    searched: Searched,
    rows: GivenRows,
    if_exists: IfExists,
    progress: OnProgress | None,
) -> Exchange[UpsertReport]:
    """Write rows in one transaction, all or nothing."""
    started = time.perf_counter()
    check_choice("if_exists", if_exists, get_args(IfExists))
    check_callable("progress", progress)
    try:
        report = yield from transaction(
            _write(conn, searched, rows, if_exists, progress)
        )
    except errors.IntegrityError as error:
        # a deferred constraint is checked when the transaction ends
        raise InvalidFile(
            f"{ORIGIN}: the server refused a row: {explained(error)}; nothing was "
            "written"
        ) from error
    return replace(report, seconds=time.perf_counter() - started)


def _write(
    conn: AnyConn,
    searched: Searched,
    rows: GivenRows,
    if_exists: IfExists,
    progress: OnProgress | None,
) -> Exchange[UpsertReport]:
    facts = yield from known_row_facts(conn, searched)
    report = UpsertReport(facts.where, 0, 0, 0, 0, 0.0)
    parts = yield from read_row_parts(facts)
    run = UpsertRun(facts, parts, if_exists, progress, report)
    # not in a thread, because the caller's iterator may be bound to this one
    blocks: Iterator[Block] = blocks_of(rows, facts.dims)
    for block in blocks:
        yield from _write_block(run, block)
    return run.report


def _write_block(run: UpsertRun, block: Block) -> Exchange[None]:
    job = decide_upsert(run.facts, block, run.if_exists, run.parts)
    packed: Packed = yield Call(partial(job.rows.packer.pack, block))
    job.check_keys(block)
    hashes = yield from _hashes(run.facts, job, packed)
    _check_twice(run, job, block, hashes)
    row = yield from _send_block(run, job, packed)
    there = [place - 1 for place in row["there"]]
    if there and run.if_exists == "refuse":
        raise _there_already(job, block, there)
    written: int = row["written"]
    updated = min(len(there), written) if job.updates else 0
    report = run.report
    run.report = replace(
        report,
        rows=report.rows + len(block),
        inserted=report.inserted + written - updated,
        updated=report.updated + updated,
        skipped=report.skipped + len(block) - written,
        notes=tuple(dict.fromkeys((*report.notes, *job.notes, *packed.notes))),
    )
    if run.progress is not None:
        run.progress(Progress("writing rows", run.report.rows, block.total))


def _there_already(job: UpsertJob, block: Block, places: Sequence[int]) -> KeyExists:
    bad = {
        place: f"its key is in the table already: {key_of_row(job.keys, block, place)}"
        for place in places
    }
    step = 'leave them out, or take if_exists="skip" or "update"'
    keys = [key_values(job.keys, block, place) for place in places]
    return KeyExists(
        refusal(ORIGIN, block, bad, "written", step),
        [key[0] if len(key) == 1 else key for key in keys],
    )


def _hashes(facts: RowFacts, job: UpsertJob, packed: Packed) -> Exchange[Sequence[int]]:
    """A number for each key, the same for equal keys."""
    if not job.exact_key:
        by_name = zip(job.rows.columns, packed.arrays, strict=True)
        names = {key.name for key in job.keys}
        keys = [Array(data) for column, data in by_name if column.name in names]
        try:
            rows = yield from transaction(_rows(Send(job.hashes, keys)))
            return [row["hash"] for row in rows]
        except errors.UndefinedFunction:
            # a type without hashes
            pass
    hashes: list[int] = key_hashes(
        job.keys, packed.block, facts.server.encoding
    ).tolist()
    return hashes


def _rows(request: Send) -> Exchange[list[Row]]:
    rows: list[Row] = yield request
    return rows


def _check_twice(
    run: UpsertRun, job: UpsertJob, block: Block, hashes: Sequence[int]
) -> None:
    """Raise InvalidFile naming the rows that have the key of a row before them."""
    bad = {}
    for place, number in enumerate(hashes):
        first = run.numbers.setdefault(number, block.number(place))
        if first != block.number(place):
            key = key_of_row(job.keys, block, place)
            bad[place] = f"it has the key of row {first}: {key}"
    if bad:
        raise refuse(ORIGIN, block, bad, "written")


def _send_block(run: UpsertRun, job: UpsertJob, packed: Packed) -> Exchange[Row]:
    """Send a block within a savepoint; raises InvalidFile naming a refused row."""
    block, if_exists = packed.block, run.if_exists

    def refused_by(low: int, high: int) -> Exchange[errors.Error | None]:
        part = job.rows.packer.pack(block.part(low, high))
        try:
            yield from transaction(_rows(_statement(job, part)))
        except ABOUT_ROWS as error:
            return error
        return None

    try:
        try:
            (row,) = yield from transaction(_rows(_statement(job, packed)))
        except errors.UniqueViolation:
            if if_exists != "refuse" and run.parts is None:
                raise
            # another transaction wrote the key meanwhile: a new snapshot may see it
            (row,) = yield from transaction(_rows(_statement(job, packed)))
    except ABOUT_ROWS as error:
        place, refused = yield from refused_row(len(block), refused_by, error)
        bad = {place: explained(refused)}
        raise refuse(ORIGIN, block, bad, "written") from refused
    answer: Row = row
    return answer


def _statement(job: UpsertJob, packed: Packed) -> Send:
    return Send(job.statement, [Array(data) for data in packed.arrays])
