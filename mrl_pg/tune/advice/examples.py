"""Example queries with the answers of each size; rows have key and shown columns."""

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from psycopg import sql

from mrl_pg.catalog import slots
from mrl_pg.catalog.facts import Facts
from mrl_pg.errors import ColumnNotFound
from mrl_pg.exchange import Conn, cursors
from mrl_pg.kinds import Stored
from mrl_pg.recall.curve import MOST_CANDIDATES
from mrl_pg.tune.advice.recommend import Recommendation
from mrl_pg.tune.option import Option, smallest_alike
from mrl_pg.tune.predict.shortlist import could_win
from mrl_pg.tune.rows.example_queries import ExampleQueries, RankedRow, Where
from mrl_pg.tune.rows.stream import key_hash, tid

SIZES = 4
"""The most sizes and kinds that an example shows."""

LISTED = 10
"""The most rows of an answer that an example names."""

CUT = 80
"""The most characters of a value that an example shows."""

EXACT = "exact"


@dataclass(frozen=True, slots=True)
class Shown:
    """A row as a report shows it: columns and values as cut text; None is NULL."""

    key: tuple[tuple[str, str | None], ...]
    more: tuple[tuple[str, str | None], ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """All fields as types that JSON has."""
        return {"key": dict(self.key), "shown": dict(self.more)}


@dataclass(frozen=True, slots=True)
class Listed:
    """A row that an answer has or lacks.

    `true` says whether it is one of the k nearest rows by full vectors, ties included.
    `place` is its place in the size's own order, from 1. It is None after
    MOST_CANDIDATES and in the exact answer.
    """

    row: Shown
    distance: float
    true: bool
    place: int | None

    def as_dict(self) -> dict[str, Any]:
        """All fields as types that JSON has."""
        ranking = {"distance": self.distance, "true": self.true, "place": self.place}
        return {**self.row.as_dict(), **ranking}


@dataclass(frozen=True, slots=True)
class ExampleAnswer:
    """The answer of one size when its first `candidates` are ranked by full vectors.

    `found` of the true k rows are in the answer. `alone` of them are among the first k
    rows in the size's own order. The exact answer has no candidates. `rows` and
    `missing` name at most LISTED rows each.
    """

    name: str
    candidates: int | None
    found: int
    alone: int
    rows: tuple[Listed, ...]
    missing: tuple[Listed, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """All fields as types that JSON has."""
        return {
            "name": self.name,
            "candidates": self.candidates,
            "found": self.found,
            "alone": self.alone,
            "rows": [row.as_dict() for row in self.rows],
            "missing": [row.as_dict() for row in self.missing],
        }


@dataclass(frozen=True, slots=True)
class Example:
    """One query and its answers.

    `number` is its place among the queries, from 1. `row` is its row if the query is a
    held-out row. The first answer is the exact answer. No index was searched, so HNSW
    may find fewer rows than these answers.
    """

    number: int
    row: Shown | None
    answers: tuple[ExampleAnswer, ...]

    def as_dict(self) -> dict[str, Any]:
        """All fields as types that JSON has."""
        return {
            "number": self.number,
            "row": self.row and self.row.as_dict(),
            "answers": [answer.as_dict() for answer in self.answers],
        }


def columns_to_show(facts: Facts, show: Sequence[str]) -> tuple[str, ...]:
    """The columns of `show` that are not in the key; raises ColumnNotFound."""
    wanted = (show,) if isinstance(show, str) else tuple(show)
    for column in wanted:
        if column not in facts.columns:
            raise ColumnNotFound(
                f"column {f'{facts.schema}.{facts.table}.{column}'!r}, which examples "
                f"are to show, does not exist; there are: {', '.join(facts.columns)}"
            )
    return tuple(c for c in dict.fromkeys(wanted) if c not in facts.keys)


def to_show(
    options: Sequence[Option], advice: Recommendation, built: Iterable[str]
) -> list[tuple[Option, int]]:
    """At most SIZES sizes and kinds to show, each with its candidates.

    The recommended size comes first, then sizes that were built, that could win, that
    reach the recall, and last sizes that do not, with MOST_CANDIDATES. The result is in
    the order of `options`.
    """
    # a graph changes nothing in exact orders, and there are no orders of rotated rows
    options = [
        option
        for option in options
        if not option.rotated and (option.graph is None or option.name == advice.name)
    ]
    distinct = smallest_alike(options)
    able = [option for option in distinct if option.candidates is not None]
    nearly = sorted(distinct, key=lambda option: -option.ceiling.mean)
    named = {option.name: option for option in options}
    first = [named[name] for name in (advice.name, *built) if name in named]
    ranked = dict.fromkeys([*first, *could_win(distinct, SIZES), *able, *nearly])
    chosen = list(ranked)[:SIZES]
    return [
        (option, _candidates(option, advice)) for option in options if option in chosen
    ]


def _candidates(option: Option, advice: Recommendation) -> int:
    if option.name == advice.name and advice.candidates is not None:
        return advice.candidates
    return option.candidates or MOST_CANDIDATES


def examples(
    rows: dict[Where, Shown],
    queries: ExampleQueries,
    sizes: Sequence[tuple[Option, int]],
) -> tuple[Example, ...]:
    """The example queries with their answers, and the rows that `read_listed` read."""
    ranked = [
        [(EXACT, None, queries.exact(i))]
        + [
            (option.name, candidates, queries.ranked(i, _form(option), candidates))
            for option, candidates in sizes
        ]
        for i in range(len(queries.numbers))
    ]

    def listed(some: Sequence[RankedRow]) -> tuple[Listed, ...]:
        return tuple(
            Listed(rows[hit.where], hit.distance, hit.true, hit.place)
            for hit in some[:LISTED]
        )

    return tuple(
        Example(
            number + 1,
            rows[queries.held[i]] if queries.held else None,
            tuple(
                ExampleAnswer(
                    name,
                    candidates,
                    answer.found,
                    answer.alone,
                    listed(answer.rows),
                    listed(answer.missing),
                )
                for name, candidates, answer in ranked[i]
            ),
        )
        for i, number in enumerate(queries.numbers)
    )


def _form(option: Option) -> tuple[Stored, int]:
    return option.stored, option.dims


def read_listed(
    conn: Conn, facts: Facts, show: Sequence[str], queries: ExampleQueries
) -> dict[Where, Shown]:
    """The key and the shown columns of the rows that examples may list.

    A row that moved or went after it was read shows no values.
    """
    wanted = queries.may_be_listed(LISTED)
    columns = [*facts.keys, *show]
    query = rows_statement(facts, columns, wanted)
    known = {}
    with cursors.tuples(conn) as cursor:
        for table, place, hashed, *values in cursor.execute(query):
            named = list(zip(columns, map(tidy, values), strict=True))
            count = len(facts.keys)
            row = Shown(tuple(named[:count]), tuple(named[count:]))
            # another row may have its place by now
            known[table, place, hashed] = row
    unseen = Shown(tuple((column, None) for column in facts.keys))
    return {
        where: known.get((where[0], tid(where[1]), where[2]), unseen)
        for where in wanted
    }


def rows_statement(
    facts: Facts, columns: Sequence[str], wanted: Sequence[Where]
) -> sql.Composed:
    """The statement that reads columns of rows by their places, without a scan."""
    return slots.statement(
        "shown_rows",
        hash=key_hash(facts),
        columns=slots.comma(
            sql.SQL("pg_catalog.left(origin.{}::pg_catalog.text, {})").format(
                sql.Identifier(column), sql.Literal(CUT + 1)
            )
            for column in columns
        ),
        table=slots.table_of(facts),
        oids=slots.array(table for table, *_ in wanted),
        tids=slots.array(tid(place) for _, place, _ in wanted),
    )


def tidy(value: str | None) -> str | None:
    """The value on one line, without control characters, cut to CUT characters."""
    if value is None:
        return None
    plain = "".join(" " if unicodedata.category(c) == "Cc" else c for c in value)
    cut = plain if len(plain) <= CUT else f"{plain[: CUT - 1]}…"
    return " ".join(cut.split())
