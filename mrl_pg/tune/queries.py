"""Query vectors to measure with, from the caller, a file, a select or the table."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from psycopg import errors, sql

from mrl_pg import arguments
from mrl_pg.calibration import measuring
from mrl_pg.catalog import slots
from mrl_pg.catalog.facts import Facts
from mrl_pg.catalog.read import MISSING
from mrl_pg.errors import InvalidSetting, InvalidVector, NotInstalled
from mrl_pg.exchange import Conn
from mrl_pg.exchange.server_message import server_message
from mrl_pg.load.pack import VECTOR_WIRE
from mrl_pg.load.vectors import read_vectors
from mrl_pg.search.plan import rotated
from mrl_pg.tune.request import TuneRequest
from mrl_pg.tune.rows.stream import (
    Reader,
    Sample,
    TableRows,
    copied,
    joined,
    vector_fields,
)
from mrl_pg.tune.rows.table import TableFacts, full_type
from mrl_pg.vectors import VectorLike, as_vector

MOST_REAL_QUERIES = 10_000
"""The most queries that `mrl.sample_queries` keeps."""

REAL_QUERIES = "real queries"
"""The origin of queries that `keep_query` kept."""

FEWEST_REAL_QUERIES = 100
"""With fewer stored real queries, tune takes rows unless you ask for real queries."""

SPARE = 2
"""Rows to read for each held-out row, so that a random sample is hardly too small."""


@dataclass(frozen=True, slots=True, eq=False)
class Queries:
    """Query vectors and where they came from.

    `zeros` vectors were left out because they have no direction. `held` are the
    held-out rows, if the queries are rows of the table. `note` says what could be had
    instead.
    """

    vectors: NDArray[np.float32]
    origin: str
    zeros: int = 0
    held: TableRows | None = None
    note: str = ""


def choose_queries(
    conn: Conn, facts: Facts, table: TableFacts, request: TuneRequest
) -> Queries:
    """The queries that a request names, else stored real queries, else rows.

    Rows are held out. They stand in for questions, see `mrl_pg.calibration.margin`.
    Other queries are rotated, if the rows are.
    """
    queries = _chosen(conn, facts, table, request)
    if queries.held is not None:
        return queries
    return replace(queries, vectors=rotated(facts, queries.vectors))


def _chosen(
    conn: Conn, facts: Facts, table: TableFacts, request: TuneRequest
) -> Queries:
    column, count, seed = request.layout.column, request.sample, request.seed
    if request.queries is not None:
        return from_vectors(request.queries, facts.full_dims)
    if request.queries_file is not None:
        return from_file(
            request.queries_file, column, facts.full_dims, count=count, seed=seed
        )
    if request.queries_sql is not None:
        return from_sql(conn, facts, request.queries_sql, count=count)
    if request.real_queries:
        return from_real_queries(conn, facts, column, count=count, seed=seed)
    note = ""
    if request.real_queries is None:
        real = _stored(conn, facts, column, seed)
        stored = 0 if real is None else len(real.vectors)
        if real is not None and stored >= FEWEST_REAL_QUERIES:
            return replace(real, vectors=real.vectors[:count])
        if stored:
            note = (
                f"{stored} real queries are stored, which are too few to take them "
                "without being asked: --real-queries does (real_queries=True in Python)"
            )
    rows = held_out(conn, facts, column, rows=table.rows, count=count, seed=seed)
    return replace(rows, note=note)


def _stored(conn: Conn, facts: Facts, column: str, seed: int) -> Queries | None:
    """All stored real queries; None if there are none that this role may read."""
    most = MOST_REAL_QUERIES
    try:
        return from_real_queries(conn, facts, column, count=most, seed=seed)
    except (InvalidSetting, InvalidVector, NotInstalled):
        return None
    except errors.InsufficientPrivilege:
        return None


def held_out(
    conn: Conn, facts: Facts, column: str, *, rows: int, count: int, seed: int
) -> Queries:
    """Rows drawn at random, at most a tenth. Searches then leave these rows out."""
    count = min(count, rows // 10)
    sample = Sample.of(rows, SPARE * count, seed + 1)
    blocks = list(Reader(facts, column, sample).blocks(conn))
    if not blocks:
        return _usable(np.empty((0, facts.full_dims), np.float32), "held-out rows")
    drawn = joined(blocks)
    chosen = np.random.default_rng(seed).permutation(len(drawn))[:count]
    rest = drawn.take(np.sort(chosen))
    some = rest.vectors.any(axis=1)
    return _usable(
        rest.vectors[some], "held-out rows", zeros=int((~some).sum()), held=rest
    )


def from_vectors(queries: Sequence[VectorLike], dims: int) -> Queries:
    """The vectors that were given, in full size; raises InvalidVector if one is not."""
    given = arguments.listed(queries)
    if not given:
        raise InvalidVector("queries is empty. Pass one vector or more")
    vectors = np.stack([as_vector(query, dims=dims, cosine=False) for query in given])
    some = vectors.any(axis=1)
    zeros = int((~some).sum())
    return _usable(vectors[some], "the given vectors", zeros=zeros)


def from_file(
    path: "str | PathLike[str]", column: str, dims: int, *, count: int, seed: int
) -> Queries:
    """At most `count` vectors, drawn at random from a file that `mrl-pg load` reads."""
    vectors = read_vectors(path, column, dims)
    some = vectors[vectors.any(axis=1)]
    chosen = np.random.default_rng(seed).permutation(len(some))[:count]
    return _usable(
        some[np.sort(chosen)], Path(path).name, zeros=len(vectors) - len(some)
    )


def from_sql(conn: Conn, facts: Facts, statement: str, *, count: int) -> Queries:
    """The first `count` vectors of a `select` of one column."""
    with _explained():
        return _selected(conn, facts, statement, count, "the given statement")


def _selected(
    conn: Conn, facts: Facts, statement: str, count: int, origin: str
) -> Queries:
    query = slots.statement(
        "given_queries",
        type=full_type(facts),
        select=sql.SQL(statement.strip().rstrip(";")),
        count=sql.Literal(count),
    )
    layout = np.dtype(
        [
            ("fields", ">i2"),
            *vector_fields(VECTOR_WIRE[facts.full_type], facts.full_dims),
        ]
    )
    # a statement of the user's may change something: nothing of it stays
    with conn.transaction(force_rollback=True):
        vectors = copied(conn, query, layout)["value"].astype(np.float32)
    some = vectors.any(axis=1)
    return _usable(vectors[some], origin, zeros=int((~some).sum()))


def from_real_queries(
    conn: Conn, facts: Facts, column: str, *, count: int, seed: int
) -> Queries:
    """At most `count` queries, drawn at random from those that `keep_query` kept."""
    table = sql.Identifier(facts.schema, facts.table)
    statement = slots.statement(
        "kept_queries",
        table=sql.Literal(table.as_string()),
        column=sql.Literal(column),
    )
    try:
        real = _selected(
            conn, facts, statement.as_string(), MOST_REAL_QUERIES, REAL_QUERIES
        )
    except errors.NoDataFound as error:
        raise InvalidSetting(f"{server_message(error)}") from error
    except MISSING as error:
        raise NotInstalled(measuring.NOT_INSTALLED) from error
    # the server sends queries in no order, so sort them: a seed then draws the same
    order = sorted(range(len(real.vectors)), key=lambda i: real.vectors[i].tobytes())
    chosen = np.random.default_rng(seed).permutation(order)[:count]
    return replace(real, vectors=real.vectors[chosen])


@contextmanager
def _explained() -> Iterator[None]:
    try:
        yield
    except (errors.ProgrammingError, errors.DataException) as error:
        message = str(error).splitlines()[0]
        raise InvalidSetting(
            f"the statement for queries cannot run: {message}. Select one column of "
            "vectors that have the dimensions of the full vectors, such as: "
            "select embedding from asked limit 500"
        ) from error


def _usable(vectors: NDArray[np.float32], origin: str, **more: Any) -> Queries:
    if not len(vectors):
        raise InvalidVector(
            f"{origin}: no query is left without NULLs and vectors of zeros. Pass "
            "vectors that are not all zeros"
        )
    return Queries(vectors, origin, **more)
