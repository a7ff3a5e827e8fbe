"""The requests of a load, in order, and what it does with each answer."""

from array import array
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from itertools import chain
from time import perf_counter
from typing import Any, TypeAlias, TypeVar

from psycopg import errors, sql
from psycopg.abc import Buffer, Query

from mrl_pg import source
from mrl_pg.catalog.parts import ColumnParts, read_column_parts
from mrl_pg.catalog.rotations import read_rotations, write_rotation
from mrl_pg.exchange import Exchange, Send
from mrl_pg.exchange.arrays import Array
from mrl_pg.exchange.progress import OnProgress, Progress
from mrl_pg.exchange.requests import Values
from mrl_pg.load.block import Block, refuse
from mrl_pg.load.columns import ServerFacts
from mrl_pg.load.destination import Destination
from mrl_pg.load.halving import refused_row
from mrl_pg.load.job import Job, LoadStep, steps
from mrl_pg.load.pack import HEADER, TRAILER, Packed
from mrl_pg.load.prefetch import Prefetch
from mrl_pg.load.report import LoadReport, explained
from mrl_pg.load.rotated import with_rotation
from mrl_pg.load.routed import routed
from mrl_pg.load.target import decide
from mrl_pg.rotation import Rotation

T = TypeVar("T")

PGVECTOR = source.statement("pgvector").encode()
COLUMNS_OF = source.statement("columns_of").encode()
VECTOR_TYPES = source.statement("vector_types").encode()


@dataclass(frozen=True, slots=True)
class Session:
    """Encoding of the connection, as Python names it, and its time zone."""

    encoding: str
    time_zone: str


@dataclass(frozen=True, slots=True)
class Rows:
    """Run a query; the answer is its rows."""

    query: Query
    params: Values
    binary: bool = False


@dataclass(frozen=True, slots=True)
class Run:
    """Run a statement that gives no rows."""

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
    """Insert rows within a savepoint; the answer is None, or an error about a row."""

    statement: sql.Composed
    packed: Packed

    def sent(self) -> tuple[sql.Composed, list[Array]]:
        """The statement and its parameters: one array per column."""
        return self.statement, [Array(data) for data in self.packed.arrays]


Request: TypeAlias = (
    "Rows | Run | Begin | Write | End | Insert | Future[LoadStep | None]"
)
"""What a load asks its driver to do. The driver waits for a Future and answers with its
result."""


class Tally:
    """Counts what was sent, reports progress, and makes the final report."""

    def __init__(self, destination: Destination, progress: OnProgress | None) -> None:
        """Start the clock."""
        self.destination, self.progress = destination, progress
        self.started = perf_counter()
        self.rows = self.null_vectors = 0
        self.bytes = len(HEADER) + len(TRAILER)
        self.notes: dict[str, None] = {}
        self.copied: list[Sequence[int]] = []

    def began(self, packed: Packed) -> None:
        """Remember the file's row numbers, because the server counts rows from 1."""
        block = packed.block
        last = block.first + len(block)
        numbers = (
            array("q", block.numbers) if block.numbers else range(block.first, last)
        )
        self.copied.append(numbers)

    def number(self, line: int) -> int | None:
        """Number in the file of the row that the server names as a line of the COPY."""
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
        """The report of the finished load."""
        schema, table = self.destination.schema, self.destination.table
        return LoadReport(
            table=f"{schema}.{table}" if schema else table,
            rows=self.rows,
            null_vectors=self.null_vectors,
            dims=job.dims,
            created=job.facts.created,
            seconds=perf_counter() - self.started,
            bytes=self.bytes,
            skipped=job.skipped,
            notes=(*job.notes, *self.notes),
        )


def exchange(
    tally: Tally, first: Block, blocks: Iterator[Block], session: Session
) -> Generator[Request, Any, LoadReport]:
    """Requests of a load, in order; the driver runs them within a transaction."""
    destination = tally.destination
    extension = yield Rows(PGVECTOR, {})
    names = {"schema": destination.schema or "", "table": destination.table}
    rows = yield Rows(COLUMNS_OF, names)
    types = yield Rows(VECTOR_TYPES, {})
    rotations: dict[str, Rotation] = {}
    if rows and extension[0]["has_rotations"]:
        rotations, _ = yield from _asked(
            read_rotations(rows[0]["table_id"], extension[0]["extension_schema"])
        )
    known = rotations.get(destination.column)
    parts: ColumnParts | None = None
    if rows and rows[0]["relation_kind"] == "p" and extension[0]["has_rotations"]:
        parts = yield from _asked(
            read_column_parts(rows[0]["table_id"], extension[0]["extension_schema"])
        )
    facts = ServerFacts(
        extension=extension[0],
        rows=rows,
        vector_ids={row["name"]: row["id"] for row in types},
        encoding=session.encoding,
        time_zone=session.time_zone,
        rotations=with_rotation(destination, rotations, extension[0]),
    )
    rotation = facts.rotations.get(destination.column)
    first = routed(first, parts, rotation)
    blocks = (routed(block, parts, rotation) for block in blocks)
    job = decide(destination, first, facts)
    new = destination.rotation if known is None else None
    with Prefetch(steps(job, chain([first], blocks))) as prefetch:
        step = yield prefetch.pending()
        while step.packed is not None:
            for setup in step.job.setup:
                yield Run(setup)
            if new is not None:
                yield from _asked(
                    write_rotation(
                        job.table,
                        destination.column,
                        new,
                        facts.extension["extension_schema"],
                        already=False,
                    )
                )
                new = None
            send = _inserted if step.job.inserts else _copied
            step = yield from send(step, prefetch, tally)
    for last in step.job.last():
        yield Run(last)
    return tally.report(step.job)


def _asked(verb: Exchange[T]) -> Generator[Request, Any, T]:
    """Have the driver of a load carry out a verb that only sends statements."""
    try:
        request = next(verb)
        while isinstance(request, Send):
            asked = Rows(request.statement, request.params, request.binary)
            request = verb.send((yield asked))
        raise TypeError(f"{request} is no statement")
    except StopIteration as done:
        result: T = done.value
        return result


# _copied and _inserted send the blocks of one job, and return the first later step.
def _copied(
    step: LoadStep, prefetch: "Prefetch[LoadStep]", tally: Tally
) -> Generator[Request, Any, LoadStep]:
    job = step.job
    tally.copied.clear()
    yield Begin(job.statement())
    yield Write(HEADER)
    while step.packed is not None and step.job is job:
        prefetch.start_next()
        tally.began(step.packed)
        yield Write(step.packed.data)
        tally.add(step.packed)
        step = yield prefetch.pending()
    yield Write(TRAILER)
    yield End()
    return step


def _inserted(
    step: LoadStep, prefetch: "Prefetch[LoadStep]", tally: Tally
) -> Generator[Request, Any, LoadStep]:
    job = step.job
    statement = job.statement()
    while step.packed is not None and step.job is job:
        prefetch.start_next()
        error = yield Insert(statement, step.packed)
        if error is not None:
            yield from _named(job, statement, step.packed, error)
        tally.add(step.packed)
        step = yield prefetch.pending()
    return step


def _named(
    job: Job, statement: sql.Composed, packed: Packed, error: errors.Error
) -> Generator[Request, Any, None]:
    block = packed.block

    def refusal(low: int, high: int) -> Generator[Request, Any, errors.Error | None]:
        part = job.packer.pack(block.part(low, high))
        refused: errors.Error | None = yield Insert(statement, part)
        return refused

    place, error = yield from refused_row(len(block), refusal, error)
    raise refuse(job.destination.origin, block, {place: explained(error)}) from error
