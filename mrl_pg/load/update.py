"""Updates one vector column by key, in batches that each commit, while others write."""

import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain

import numpy as np
from numpy.typing import NDArray
from psycopg import errors, sql

from mrl_pg import source
from mrl_pg.build import online
from mrl_pg.catalog.rotations import read_rotations
from mrl_pg.catalog.slots import statement
from mrl_pg.errors import InvalidFile
from mrl_pg.exchange import Call, Exchange, Row, Send, transaction
from mrl_pg.exchange.arrays import Array
from mrl_pg.exchange.progress import OnProgress, Progress
from mrl_pg.load.block import COUNTED, Block
from mrl_pg.load.by_key import UniqueKey, chosen_key
from mrl_pg.load.columns import ServerFacts
from mrl_pg.load.destination import Destination
from mrl_pg.load.exchange import Session
from mrl_pg.load.prefetch import Prefetch
from mrl_pg.load.report import explained
from mrl_pg.load.rotated import with_rotation
from mrl_pg.load.update_job import UpdateJob, check_table, decide_update
from mrl_pg.load.update_report import UpdateReport
from mrl_pg.rotation import Rotation

BATCH_SECONDS = 0.05
"""How long a batch may take, because it holds its rows meanwhile.

The rows that it could not write by then are sent again. `mrl._fill_next` does the same.
"""

MOST_BATCH_ROWS = 50_000
FIRST_BATCH_ROWS = 16

MOST_LAG = 64 << 20
"""Bytes of the log that a standby may lag behind before the update waits for it."""

HELD_TRIES = 60
"""How often rows that others hold are tried again at the end, a second apart."""

MOST_REFUSED = 100
"""After this many rows that the server refused, the update stops."""

ABOUT_ROW = (
    errors.IntegrityError,
    errors.DataError,
    errors.ProgramLimitExceeded,
    errors.RaiseException,
)
AGAIN = (
    errors.LockNotAvailable,
    errors.DeadlockDetected,
    errors.SerializationFailure,
)

Blocks = Callable[[tuple[str, ...]], Iterator[Block]]
"""Reads the input from its start, with the given key columns."""


@dataclass(slots=True)
class UpdateRun:
    """An update under way: what it counted, and the blocks of rows that others held."""

    job: UpdateJob
    report: UpdateReport
    progress: OnProgress | None
    held: list[Block]
    total: int | None = None
    batch_rows: int = FIRST_BATCH_ROWS

    def say(self, stage: str, done: int, total: int | None) -> None:
        """Report progress, if the caller wants it."""
        if self.progress is not None:
            self.progress(Progress(stage, done, total))

    def skipped(self, reason: str, block: Block, places: Sequence[int]) -> None:
        """Count rows that were not updated, for a reason the report has a field for."""
        named = [self.job.named(block, place) for place in places]
        before = getattr(self.report, reason)
        self.report = replace(self.report, **{reason: before.plus(named)})


def update(
    blocks: Blocks,
    destination: Destination,
    key: tuple[str, ...],
    session: Session,
    *,
    add_column: bool,
    only_missing: bool,
    progress: OnProgress | None,
) -> Exchange[UpdateReport]:
    """Update the rows that the input names.

    The whole input is read and checked first, so that a bad row is refused before
    anything is changed. `key` are names in the input, by default the primary key.
    """
    started = time.perf_counter()
    paths = key
    names = tuple(map(_last, paths))
    facts, unique = yield from transaction(
        read_table(destination, names, session, add_column)
    )
    paths = paths or unique.names
    first: Block | None = yield Call(partial(next, blocks(paths), None))
    if first is None or not len(first):
        raise InvalidFile(f"{destination.origin} holds no rows: nothing to update")
    job = decide_update(destination, unique, first, facts, only_missing)
    report = UpdateReport(
        job.where,
        destination.column,
        job.vectors.dims or 0,
        added=job.addition is not None,
        only_missing=only_missing,
        counted=COUNTED[first.form],
        notes=job.notes,
    )
    run = UpdateRun(job, report, progress, [])
    yield from _check(run, blocks(paths))
    if job.addition is not None:
        add = Send(job.addition)
        table_id = facts.rows[0]["table_id"]
        yield from online.with_short_lock(partial(_send, add), {}, table_id)
    with Prefetch(filter(len, blocks(paths))) as prefetch:
        block = yield Call(prefetch.pending().result)
        while block is not None:
            prefetch.start_next()
            yield from update_rows(run, block)
            block = yield Call(prefetch.pending().result)
    yield from update_held(run)
    return replace(run.report, seconds=time.perf_counter() - started)


def _send(request: Send) -> Exchange[None]:
    yield request


def _last(path: str) -> str:
    parts = [part for part in path.split(".") if part and not part.isdigit()]
    return parts[-1] if parts else path


def read_table(
    destination: Destination,
    key: tuple[str, ...],
    session: Session,
    add_column: bool,
) -> Exchange[tuple[ServerFacts, UniqueKey]]:
    """Facts of the table, and its key; raises what `check_table` raises."""
    extension = yield Send(source.statement("pgvector"))
    names = {"schema": destination.schema or "", "table": destination.table}
    rows = yield Send(source.statement("columns_of"), names)
    types = yield Send(source.statement("vector_types"))
    rotations: Mapping[str, Rotation] = {}
    if rows and extension[0]["has_rotations"]:
        rotations, _ = yield from read_rotations(
            rows[0]["table_id"], extension[0]["extension_schema"]
        )
    facts = ServerFacts(
        extension=extension[0],
        rows=rows,
        vector_ids={row["name"]: row["id"] for row in types},
        encoding=session.encoding,
        time_zone=session.time_zone,
        rotations=with_rotation(destination, rotations, extension[0]),
    )
    check_table(destination, facts, key, add_column)
    table_id = sql.Literal(rows[0]["table_id"])
    unique = yield Send(statement("unique_keys", table_id=table_id))
    where = f"{rows[0]['schema']}.{destination.table}"
    return facts, chosen_key(where, key, unique)


def _check(run: UpdateRun, blocks: Iterator[Block]) -> Exchange[None]:
    """Pack every block, without sending it; raises InvalidFile."""
    hashes: list[NDArray[np.int64]] = []
    numbers: list[Sequence[int]] = []
    rows = 0
    while (block := (yield Call(partial(next, blocks, None)))) is not None:
        if not len(block):
            continue
        hashes.append((yield Call(partial(run.job.check, block))))
        last = block.first + len(block)
        numbers.append(block.numbers or range(block.first, last))
        rows += len(block)
        run.say("checking rows", rows, block.total)
    run.total = rows
    keys = np.concatenate(hashes)
    order = np.argsort(keys, kind="stable")
    twice = np.flatnonzero(keys[order][1:] == keys[order][:-1])
    if not len(twice):
        return
    of = list(chain.from_iterable(numbers))
    named = [
        f"  rows {of[order[place]]} and {of[order[place + 1]]}"
        for place in twice[:10].tolist()
    ]
    raise InvalidFile(
        f"{run.job.destination.origin}: {len(twice)} rows have the key of another row "
        "of the file: leave one vector for each key, nothing was updated\n"
        + "\n".join(named)
    )


def update_rows(run: UpdateRun, block: Block) -> Exchange[None]:
    """Update rows in batches, whose size follows the time that the last one took."""
    waiting = [block]
    while waiting:
        rows = waiting.pop()
        size = run.batch_rows
        if len(rows) > size:
            waiting.append(rows.part(size, len(rows)))
            rows = rows.part(0, size)
        began = time.perf_counter()
        late = yield from _update_batch(run, rows)
        waiting += late
        done = len(rows) - sum(map(len, late))
        run.batch_rows = _next_rows(size, done, time.perf_counter() - began)
        run.say("updating rows", run.report.rows, run.total)


def _next_rows(wanted: int, rows: int, seconds: float) -> int:
    """Rows of the next batch, after one that did `rows` rows in some seconds."""
    ratio = BATCH_SECONDS / max(seconds, 1e-4)
    if ratio < 1:
        return max(1, int(rows * ratio))
    if rows < wanted:
        return wanted
    return min(int(wanted * min(2.0, ratio)), MOST_BATCH_ROWS)


def _update_batch(run: UpdateRun, block: Block) -> Exchange[list[Block]]:
    """Update the rows of a batch, and return those for which its time was too short.

    Halves the batch to find a row that the server refuses.
    """
    packed = run.job.packer.pack(block)
    try:
        # a row alone may take as long as it takes, so that the update goes on
        seconds = BATCH_SECONDS if len(block) > 1 else None
        arrays = [Array(data) for data in packed.arrays]
        row = yield from _batch(run, [*arrays, seconds])
    except ABOUT_ROW as error:
        if len(block) > 1:
            middle = len(block) // 2
            first = yield from _update_batch(run, block.part(0, middle))
            second = yield from _update_batch(run, block.part(middle, len(block)))
            return [*first, *second]
        named = f"{run.job.named(block, 0)}: {explained(error)}"
        refused = run.report.refused.plus([named])
        run.report = replace(run.report, rows=run.report.rows + 1, refused=refused)
        if refused.count >= MOST_REFUSED:
            raise InvalidFile(
                f"{run.job.destination.origin}: stopped, because the server refused "
                f"{refused.count} rows; {run.report.updated} rows were updated before, "
                "and stay so\n  " + "\n  ".join(refused.named)
            ) from error
        return []
    # places are counted from 1
    missing, kept, held = (
        [place - 1 for place in row[name]] for name in ("missing", "kept", "held")
    )
    late: list[int] = []
    if row["late"]:
        # not reached in time, or kept by a trigger: a smaller batch tells
        late, kept = kept, []
    report = run.report
    run.report = replace(
        report,
        rows=report.rows + len(block) - len(held) - len(late),
        updated=report.updated + row["written"],
        unchanged=report.unchanged + row["unchanged"],
        null_vectors=report.null_vectors + packed.null_vectors,
        bytes=report.bytes + packed.size,
        notes=tuple(dict.fromkeys((*report.notes, *packed.notes))),
    )
    run.skipped("missing", block, missing)
    run.skipped("kept", block, kept)
    if held:
        run.held.append(block.rows(held))
    return [block.rows(late)] if late else []


def _batch(run: UpdateRun, values: list[Array | float | None]) -> Exchange[Row]:
    """Send one batch, which is a transaction; again if a lock does not come."""
    tries = online.LOCK_TRIES
    while True:
        try:
            row: Row | None = yield from transaction(_locked(run, values))
            if row is not None:
                return row
        except AGAIN:
            tries -= 1
            if not tries:
                raise
        # not all at the same moment, if several wait
        yield Call(partial(time.sleep, random.uniform(0.5, 1.5)))


def _locked(run: UpdateRun, values: list[Array | float | None]) -> Exchange[Row | None]:
    """The answer of `update_rows`; None while a standby lags."""
    limit = {"lock_timeout": online.LOCK_TIMEOUT}
    (begun,) = yield Send(source.statement("begin_update"), limit)
    if (begun["lag_bytes"] or 0) > MOST_LAG:
        stage = "updating rows (waiting for a standby that lags)"
        run.say(stage, run.report.rows, run.total)
        return None
    (row,) = yield Send(run.job.statement, values)
    answer: Row = row
    return answer


def update_held(run: UpdateRun) -> Exchange[None]:
    """Try the rows again that others held, for about a minute."""
    for _ in range(HELD_TRIES):
        waiting, run.held = run.held, []
        if not waiting:
            return
        stage = "updating rows (waiting for rows that other transactions hold)"
        run.say(stage, run.report.rows, run.total)
        yield Call(partial(time.sleep, random.uniform(0.5, 1.5)))
        for block in waiting:
            yield from update_rows(run, block)
    for block in run.held:
        run.report = replace(run.report, rows=run.report.rows + len(block))
        run.skipped("held", block, range(len(block)))
