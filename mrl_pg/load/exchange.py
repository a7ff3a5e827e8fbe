"""A load as a conversation: what is to be sent, in order, and what is done with it."""

from array import array
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from itertools import chain
from time import perf_counter
from typing import Any, TypeAlias

from psycopg import errors, sql
from psycopg.abc import Buffer
from psycopg.adapt import Dumper
from psycopg.pq import Format

from mrl_pg import source
from mrl_pg.exchange.progress import OnProgress, Progress
from mrl_pg.load.block import Block, refuse
from mrl_pg.load.columns import Place
from mrl_pg.load.destination import Wanted
from mrl_pg.load.job import Job, LoadStep, steps
from mrl_pg.load.pack import HEADER, TRAILER, Packed
from mrl_pg.load.prefetch import Ahead
from mrl_pg.load.report import LoadReport, explained
from mrl_pg.load.target import decide

PGVECTOR = source.statement("pgvector").encode()
COLUMNS_OF = source.statement("columns_of").encode()
VECTOR_TYPES = source.statement("vector_types").encode()

ABOUT_ROWS = (
    errors.IntegrityError,
    errors.DataError,
    errors.ProgrammingError,
    errors.NotSupportedError,
    errors.ProgramLimitExceeded,
    errors.RaiseException,
)
"""What the server, its policies and its triggers may have against a row."""


@dataclass(frozen=True, slots=True)
class Session:
    """Of the connection: Python's name of its encoding, and its time zone."""

    encoding: str
    time_zone: str


@dataclass(frozen=True, slots=True)
class Rows:
    """Ask for rows."""

    query: bytes
    params: dict[str, str]


@dataclass(frozen=True, slots=True)
class Run:
    """Run a statement."""

    statement: sql.Composed


@dataclass(frozen=True, slots=True)
class Begin:
    """Begin a COPY."""

    statement: sql.Composed


@dataclass(frozen=True, slots=True)
class Write:
    """Send a part of the COPY."""

    data: Buffer


@dataclass(frozen=True, slots=True)
class End:
    """End the COPY."""


@dataclass(frozen=True, slots=True)
class Insert:
    """Insert rows within a savepoint; the answer is the error, if it is about rows."""

    statement: sql.Composed
    packed: Packed

    def sent(self) -> tuple[sql.Composed, list["Array"]]:
        """The statement and its parameters, an array for each column."""
        return self.statement, [Array(data) for data in self.packed.arrays]


Request: TypeAlias = (
    "Rows | Run | Begin | Write | End | Insert | Future[LoadStep | None]"
)
"""A future is waited for; its result is the answer."""


@dataclass(frozen=True, slots=True)
class Array:
    """A parameter that is a binary array already."""

    data: Buffer


class ArrayDumper(Dumper):
    """Sends an Array as it is; the statement says what it is one of."""

    format = Format.BINARY

    def dump(self, obj: Array) -> Buffer:
        """Its bytes."""
        return obj.data


class Tally:
    """Counts what was sent, tells who listens, and makes the report of it."""

    def __init__(self, wanted: Wanted, progress: OnProgress | None) -> None:
        """Start the clock."""
        self.wanted, self.progress = wanted, progress
        self.started = perf_counter()
        self.rows = self.null_vectors = 0
        self.bytes = len(HEADER) + len(TRAILER)
        self.notes: dict[str, None] = {}
        self.copied: list[Sequence[int]] = []

    def began(self, packed: Packed) -> None:
        """Remember the numbers of rows that are copied: the server counts them anew."""
        block = packed.block
        last = block.first + len(block)
        numbers = (
            array("q", block.numbers) if block.numbers else range(block.first, last)
        )
        self.copied.append(numbers)

    def number(self, line: int) -> int | None:
        """Number in its file of a row that the server calls a line of the COPY."""
        for numbers in self.copied:
            if line <= len(numbers):
                return numbers[line - 1]
            line -= len(numbers)
        return None

    def add(self, packed: Packed) -> None:
        """Count a block that was sent."""
        self.rows += packed.rows
        self.null_vectors += packed.null_vectors
        self.bytes += packed.size
        self.notes.update(dict.fromkeys(packed.notes))
        if self.progress is not None:
            self.progress(Progress("loading rows", self.rows, packed.block.total))

    def report(self, job: Job) -> LoadReport:
        """What was done."""
        schema, table = self.wanted.schema, self.wanted.table
        return LoadReport(
            table=f"{schema}.{table}" if schema else table,
            rows=self.rows,
            null_vectors=self.null_vectors,
            dims=job.dims,
            created=job.place.created,
            seconds=perf_counter() - self.started,
            bytes=self.bytes,
            skipped=job.skipped,
            notes=(*job.notes, *self.notes),
        )


def exchange(
    tally: Tally, first: Block, blocks: Iterator[Block], session: Session
) -> Generator[Request, Any, LoadReport]:
    """Requests of a load within a transaction, in order."""
    wanted = tally.wanted
    extension = yield Rows(PGVECTOR, {})
    names = {"schema": wanted.schema or "", "table": wanted.table}
    rows = yield Rows(COLUMNS_OF, names)
    types = yield Rows(VECTOR_TYPES, {})
    place = Place(
        extension=extension[0],
        rows=rows,
        vector_ids={row["name"]: row["id"] for row in types},
        encoding=session.encoding,
        time_zone=session.time_zone,
    )
    job = decide(wanted, first, place)
    with Ahead(steps(job, chain([first], blocks))) as ahead:
        step = yield ahead.ready()
        while step.packed is not None:
            for setup in step.job.setup:
                yield Run(setup)
            send = _inserted if step.job.inserts else _copied
            step = yield from send(step, ahead, tally)
    for last in step.job.last():
        yield Run(last)
    return tally.report(step.job)


# Both send blocks as long as they are of one job, and give the first that is not.
def _copied(
    step: LoadStep, ahead: "Ahead[LoadStep]", tally: Tally
) -> Generator[Request, Any, LoadStep]:
    job = step.job
    tally.copied.clear()
    yield Begin(job.statement())
    yield Write(HEADER)
    while step.packed is not None and step.job is job:
        ahead.go_on()
        tally.began(step.packed)
        yield Write(step.packed.data)
        tally.add(step.packed)
        step = yield ahead.ready()
    yield Write(TRAILER)
    yield End()
    return step


def _inserted(
    step: LoadStep, ahead: "Ahead[LoadStep]", tally: Tally
) -> Generator[Request, Any, LoadStep]:
    job = step.job
    statement = job.statement()
    while step.packed is not None and step.job is job:
        ahead.go_on()
        error = yield Insert(statement, step.packed)
        if error is not None:
            yield from _named(job, statement, step.packed, error)
        tally.add(step.packed)
        step = yield ahead.ready()
    return step


# Halves the block until the row is found that the server refuses.
def _named(
    job: Job, statement: sql.Composed, packed: Packed, error: errors.Error
) -> Generator[Request, Any, None]:
    block, low, high = packed.block, 0, len(packed.block)
    nothing = job.packer.pack(block.part(0, 0))
    if (yield Insert(statement, nothing)) is not None:
        raise error  # about the table, and not about a row
    while high - low > 1:
        middle = (low + high) // 2
        part = job.packer.pack(block.part(low, middle))
        found = yield Insert(statement, part)
        if found is None:
            low = middle
        else:
            high, error = middle, found
    raise refuse(job.wanted.origin, block, {low: explained(error)}) from error
