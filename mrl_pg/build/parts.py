"""Tables partitioned by the likeness of their vectors: making them, moving rows."""

import time
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from psycopg import errors, sql

from mrl_pg import source
from mrl_pg.arguments import check_callable, check_choice, check_whole, shown
from mrl_pg.build.centres import fit_centres
from mrl_pg.build.switch_column import read_column
from mrl_pg.catalog import slots
from mrl_pg.catalog.distribution import refuse_spread
from mrl_pg.catalog.facts import Facts
from mrl_pg.catalog.in_use import index_in_use
from mrl_pg.errors import IndexNotFound, InvalidSetting, TableError
from mrl_pg.exchange import AnyConn, Call, Exchange, Row, Send, look, transaction
from mrl_pg.exchange.arrays import Array, vector_array
from mrl_pg.exchange.progress import OnProgress, Progress
from mrl_pg.exchange.server_message import server_message
from mrl_pg.kinds import OPERATORS, Distance
from mrl_pg.layout import ColumnLayout, check_name
from mrl_pg.search.probes import SHARDS, missing_parts
from mrl_pg.vectors import VectorsLike, as_vector, wire

PARTS = 64
"""Parts of a new table, unless the owner says otherwise."""

MOST_PARTS = 4096
"""The most parts: each is a partition, and every plan without probes names them all."""

SAMPLE = 20_000
"""Random rows on which the centres are found."""

MOST_SAMPLE = 1_000_000

PART_COLUMN = "part"

ALL_ROWS = 20
"""A table of fewer times the sample is read as a whole, to draw from all of it."""


@dataclass(frozen=True, slots=True)
class PartState:
    """A partition, and how many of its rows belong elsewhere.

    Part 0 holds the rows whose part nobody computed. `rows` is an estimate, and -1
    before the first analyze. `misplaced` of the `compared` random rows belong to
    another part; both are 0 if none were compared.
    """

    part: int
    partition: str
    rows: int
    bytes: int
    compared: int = 0
    misplaced: int = 0


@dataclass(frozen=True, slots=True)
class PartsReport:
    """The partitioned copy of a table: its name, its parts, and the rows of each.

    `sample` is the number of rows on which the centres were found, 0 if they were
    given. `rows` are those that were copied. They come without a short index: build
    one on the copy.
    """

    table: str
    column: str
    part_column: str
    parts: int
    rows: int
    smallest: int
    largest: int
    sample: int
    seconds: float

    def __str__(self) -> str:
        """What was made, and what to do now."""
        found = f", centres of {self.sample:,} rows" if self.sample else ""
        return (
            f"{self.table}: {self.rows:,} rows in {self.parts} parts of "
            f"{self.smallest:,} to {self.largest:,} rows{found}, in "
            f"{self.seconds:.1f} s\n"
            f"build its index now: mrl-pg create {self.table} {self.column}"
        )


def make_parts(
    conn: AnyConn,
    searched: ColumnLayout,
    to: str,
    *,
    parts: int,
    centres: "VectorsLike | None",
    sample: int,
    part_column: str,
    distance: Distance | None,
    progress: OnProgress | None,
) -> Exchange[PartsReport]:
    """Find centres, and copy a table into a new one that is partitioned by them."""
    started = time.perf_counter()
    check_callable("progress", progress)
    check_name("to", to)
    check_name("part_column", part_column)
    facts = yield from _read(searched)
    distance = yield from _distance(conn, searched, distance)
    drawn = 0
    if centres is None:
        parts = check_whole("parts", parts, 2, MOST_PARTS, "a table")
        sample = check_whole("sample", sample, 1, MOST_SAMPLE, "k-means")
        _tell(progress, "reading a sample")
        vectors = yield from sample_vectors(facts, searched, sample)
        drawn = len(vectors)
        _tell(progress, "finding centres")
        found: NDArray[np.float32] = yield Call(
            lambda: fit_centres(vectors, parts, distance)
        )
    else:
        found = _checked(centres, facts, distance)
    made = replace(searched, table=to, schema=facts.schema)
    yield from transaction(
        _copy(facts, searched, made, found, part_column, distance, progress)
    )
    states = [s for s in (yield from read_parts(made)) if s.part]
    sizes = [max(0, state.rows) for state in states]
    return PartsReport(
        table=f"{facts.schema}.{to}",
        column=searched.column,
        part_column=part_column,
        parts=len(states),
        rows=sum(sizes),
        smallest=min(sizes),
        largest=max(sizes),
        sample=drawn,
        seconds=time.perf_counter() - started,
    )


def set_parts(
    searched: ColumnLayout,
    centres: "VectorsLike | None",
    part_column: str,
    distance: Distance | None,
) -> Exchange[None]:
    """Say by which centres a table is partitioned; None: by none."""
    check_name("part_column", part_column)
    if distance is not None:
        check_choice("distance", distance, OPERATORS)
    facts = yield from _read(searched)
    sent = None
    if centres is not None:
        sent = yield from _sent(_checked(centres, facts, distance or "l2"))
    values = {
        "table": slots.table_of(facts).as_string(),
        "column": searched.column,
        "centres": sent,
        "part_column": part_column,
        "distance": distance,
    }
    statement = slots.statement("set_parts", extension=_home(facts))
    yield from _asked(searched, Send(statement, values))


def read_parts(searched: ColumnLayout, sample: int = 0) -> Exchange[list[PartState]]:
    """The partitions in order, and how many of `sample` random rows are elsewhere."""
    sample = check_whole("sample", sample, 0, MOST_SAMPLE, "a comparison")
    facts = yield from _read(searched)
    known = {"table_id": facts.table_id, "column": searched.column}
    with missing_parts():
        rows = yield from look(source.statement("part_states").encode(), known)
    found: dict[int, Row] = {}
    if sample:
        counts = yield from look(
            source.statement("misplaced_rows").encode(), known | {"sample": sample}
        )
        found = {row["part"]: row for row in counts}
    none = {"rows": 0, "misplaced": 0}
    return [
        PartState(
            row["part"],
            row["partition"],
            row["rows"],
            row["bytes"],
            found.get(row["part"], none)["rows"],
            found.get(row["part"], none)["misplaced"],
        )
        for row in rows
    ]


def route_rows(searched: ColumnLayout, progress: OnProgress | None) -> Exchange[int]:
    """Move each row to the part that its vector says; how many were moved."""
    check_callable("progress", progress)
    facts = yield from _read(searched)
    known = {"table_id": facts.table_id, "column": searched.column}
    with missing_parts():
        (parts,) = yield from look(source.statement("parts_of").encode(), known)
    states = yield from read_parts(searched)
    statement = slots.statement(
        "route_rows",
        table=slots.name(facts.schema, facts.table),
        full=slots.name(searched.column),
        part_column=slots.name(parts["part_column"]),
        extension=_home(facts),
    )
    moved = 0
    for done, state in enumerate(states):
        if progress is not None:
            progress(Progress("moving rows", done, len(states)))
        (row,) = yield Send(
            statement,
            {
                "entry": parts["entry"],
                "column": searched.column,
                "distance": parts["distance"],
                "part": state.part,
            },
        )
        moved += row["moved"]
    return moved


def _read(searched: ColumnLayout) -> Exchange[Facts]:
    facts = yield from read_column(searched)
    refuse_spread(facts.where, facts.distribution, SHARDS)
    return facts


def _distance(
    conn: AnyConn, searched: ColumnLayout, distance: Distance | None
) -> Exchange[Distance]:
    """The distance that was given, else that of the index in use, else cosine."""
    if distance is not None:
        check_choice("distance", distance, OPERATORS)
        return distance
    try:
        layout = yield from index_in_use(conn, searched, exact=False)
    except IndexNotFound:
        return "cosine"
    return layout.distance


def sample_vectors(
    facts: Facts, searched: ColumnLayout, sample: int
) -> Exchange[NDArray[np.float32]]:
    """Full vectors of random rows, as the column has them; raises TableError."""
    (counted,) = yield from look(
        source.statement("estimated_rows").encode(), {"table_id": facts.table_id}
    )
    rows = counted["rows"] or 0
    # twice as many as needed, because the pages that are drawn differ in rows
    share = 200 * sample / rows if rows > ALL_ROWS * sample else 100.0
    found: list[Row] = []
    # of few pages none may be drawn, and then all are read
    for drawn in dict.fromkeys((share, 100.0)):
        query = slots.statement(
            "sample_vectors",
            table=slots.name(facts.schema, facts.table),
            full=slots.name(searched.column),
            extension=_home(facts),
            sample=sql.SQL("tablesample system ({})").format(sql.Literal(drawn)),
        )
        found = yield from look(query, {"rows": sample}, binary=True)
        if len(found) == sample:
            break
    if not found:
        raise TableError(
            f"no row of {facts.where} has a vector in {searched.column!r}: load rows "
            "first, or give centres= of your own"
        )
    lines = [np.frombuffer(row["vector"], ">f4", offset=4) for row in found]
    return np.array(lines, dtype=np.float32)


def _checked(
    centres: "VectorsLike", facts: Facts, distance: Distance
) -> NDArray[np.float32]:
    """Centres as a matrix; raises InvalidVector, or InvalidSetting for none."""
    cosine = distance != "l2"
    lines = [as_vector(c, dims=facts.full_dims, cosine=cosine) for c in centres]
    if not lines:
        raise InvalidSetting(
            f"centres={shown(centres)} has no centre: give one for each part"
        )
    return np.array(lines, dtype=np.float32)


def _sent(centres: NDArray[np.float32]) -> Exchange[Array]:
    types = yield from look(source.statement("vector_types").encode(), {})
    (type_id,) = (row["id"] for row in types if row["name"] == "vector")
    return vector_array(type_id, [wire(centre, "vector") for centre in centres])


def _copy(
    facts: Facts,
    searched: ColumnLayout,
    made: ColumnLayout,
    centres: NDArray[np.float32],
    part_column: str,
    distance: Distance,
    progress: OnProgress | None,
) -> Exchange[None]:
    values = {
        "table": slots.table_of(facts).as_string(),
        "column": searched.column,
        "new_name": made.table,
        "centres": (yield from _sent(centres)),
        "part_column": part_column,
        "distance": distance,
    }
    statement = slots.statement("parts_sql", extension=_home(facts))
    rows = yield from _asked(searched, Send(statement, values))
    for done, row in enumerate(rows):
        if progress is not None:
            progress(Progress("copying rows", done, len(rows)))
        try:
            yield Send(row["statement"])
        except (errors.DuplicateTable, errors.DuplicateObject) as error:
            raise TableError(
                f"{made.table!r} or a partition of it exists already: "
                f"{server_message(error)}; give another name with to="
            ) from error


def _asked(searched: ColumnLayout, request: Send) -> Exchange[list[Row]]:
    """The rows of a call of mrl; raises TableError or InvalidSetting in its words."""
    try:
        rows: list[Row] = yield request
        return rows
    except (errors.InvalidParameterValue, errors.DataException) as error:
        raise InvalidSetting(f"{searched}: {server_message(error)}") from error
    except (errors.ObjectNotInPrerequisiteState, errors.WrongObjectType) as error:
        raise TableError(str(server_message(error))) from error


def _home(facts: Facts) -> sql.Composable:
    return slots.home(facts.extension_schema.replace("%", "%%"))


def _tell(progress: OnProgress | None, stage: str) -> None:
    if progress is not None:
        progress(Progress(stage))
