"""A few queries with what each size answers, rows by key and columns to show."""

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
from mrl_pg.tune.rows.stream import tid

SIZES = 4
"""Sizes and kinds that an example shows, at most."""

LISTED = 10
"""Rows of an answer that an example names, at most."""

CUT = 80
"""Characters of a value that are shown."""

EXACT = "exact"


@dataclass(frozen=True, slots=True)
class Shown:
    """A row as a report shows it: columns and their values as text, cut; None: NULL."""

    key: tuple[tuple[str, str | None], ...]
    more: tuple[tuple[str, str | None], ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """All of it in what JSON knows."""
        return {"key": dict(self.key), "shown": dict(self.more)}


@dataclass(frozen=True, slots=True)
class Listed:
    """A row of an answer, or one that is missing there.

    `true`: it is one of the k nearest by full vectors, ties included. `place`, from 1:
    where the size's own order has it; None: after MOST_CANDIDATES, or an exact answer.
    """

    row: Shown
    distance: float
    true: bool
    place: int | None

    def as_dict(self) -> dict[str, Any]:
        """All of it in what JSON knows."""
        said = {"distance": self.distance, "true": self.true, "place": self.place}
        return {**self.row.as_dict(), **said}


@dataclass(frozen=True, slots=True)
class ExampleAnswer:
    """What one size answers when its first `candidates` are ranked by full vectors.

    `found` of the true k are in it, `alone` are among the first k of its own order.
    The exact answer has no candidates. `rows` and `missing` name LISTED at most.
    """

    name: str
    candidates: int | None
    found: int
    alone: int
    rows: tuple[Listed, ...]
    missing: tuple[Listed, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """All of it in what JSON knows."""
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
    """One query: which of those asked it is, from 1, its row if it is one, answers.

    The first answer is the exact one. No index was searched: rows are ordered by
    exact distances, so HNSW may find less.
    """

    number: int
    row: Shown | None
    answers: tuple[ExampleAnswer, ...]

    def as_dict(self) -> dict[str, Any]:
        """All of it in what JSON knows."""
        return {
            "number": self.number,
            "row": self.row and self.row.as_dict(),
            "answers": [answer.as_dict() for answer in self.answers],
        }


def columns_to_show(facts: Facts, show: Sequence[str]) -> tuple[str, ...]:
    """Columns beside the primary key; raises ColumnNotFound for one that is none."""
    asked = (show,) if isinstance(show, str) else tuple(show)
    for column in asked:
        if column not in facts.columns:
            raise ColumnNotFound(
                f"column {f'{facts.schema}.{facts.table}.{column}'!r}, which examples "
                f"are to show, does not exist; there are: {', '.join(facts.columns)}"
            )
    return tuple(c for c in dict.fromkeys(asked) if c not in facts.keys)


def to_show(
    options: Sequence[Option], advice: Recommendation, built: Iterable[str]
) -> list[tuple[Option, int]]:
    """Sizes worth showing, each with its candidates; the recommended one is among them.

    Then come those that were built, those that could win, others that are able, and
    those that are not, with as many candidates as there can be.
    """
    distinct = smallest_alike(options)
    able = [option for option in distinct if option.candidates is not None]
    nearly = sorted(distinct, key=lambda option: -option.ceiling.mean)
    named = {option.name: option for option in options}
    first = [named[name] for name in (advice.name, *built) if name in named]
    ranked = dict.fromkeys([*first, *could_win(distinct, SIZES), *able, *nearly])
    kept = list(ranked)[:SIZES]
    return [
        (option, _candidates(option, advice)) for option in options if option in kept
    ]


def _candidates(option: Option, advice: Recommendation) -> int:
    if option.name == advice.name and advice.candidates is not None:
        return advice.candidates
    return option.candidates or MOST_CANDIDATES


def examples(
    conn: Conn,
    facts: Facts,
    show: Sequence[str],
    watched: ExampleQueries,
    sizes: Sequence[tuple[Option, int]],
) -> tuple[Example, ...]:
    """What the watched queries are answered; reads the rows that are named.

    In the transaction that read them, or places may have come to hold other rows.
    """
    ranked = [
        [(EXACT, None, watched.exact(i))]
        + [
            (option.name, candidates, watched.ranked(i, _form(option), candidates))
            for option, candidates in sizes
        ]
        for i in range(len(watched.numbers))
    ]
    hits = [
        hit
        for answers in ranked
        for *_, answer in answers
        for hit in (*answer.rows[:LISTED], *answer.missing[:LISTED])
    ]
    rows = read(conn, facts, show, [*(hit.where for hit in hits), *watched.held])

    def listed(some: Sequence[RankedRow]) -> tuple[Listed, ...]:
        return tuple(
            Listed(rows[hit.where], hit.distance, hit.true, hit.place)
            for hit in some[:LISTED]
        )

    return tuple(
        Example(
            number + 1,
            rows[watched.held[i]] if watched.held else None,
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
        for i, number in enumerate(watched.numbers)
    )


def _form(option: Option) -> tuple[Stored, int]:
    return option.stored, option.dims


def read(
    conn: Conn, facts: Facts, show: Sequence[str], wanted: Sequence[Where]
) -> dict[Where, Shown]:
    """Key and shown columns of some rows, by where they are."""
    columns = [*facts.keys, *show]
    query = rows_statement(facts, columns, wanted)
    found = {}
    with cursors.tuples(conn) as cursor:
        for table, place, *values in cursor.execute(query):
            named = list(zip(columns, map(tidy, values), strict=True))
            count = len(facts.keys)
            found[table, place] = Shown(tuple(named[:count]), tuple(named[count:]))
    # a policy that answers otherwise the second time hides rows
    unseen = Shown(tuple((column, None) for column in facts.keys))
    return {where: found.get((where[0], tid(where[1])), unseen) for where in wanted}


def rows_statement(
    facts: Facts, columns: Sequence[str], wanted: Sequence[Where]
) -> sql.Composed:
    """Reads columns of rows by their places, without a scan."""
    return slots.statement(
        "shown_rows",
        columns=slots.comma(
            sql.SQL("pg_catalog.left(shown.{}::pg_catalog.text, {})").format(
                sql.Identifier(column), sql.Literal(CUT + 1)
            )
            for column in columns
        ),
        table=slots.table_of(facts),
        oids=slots.array(table for table, _ in wanted),
        tids=slots.array(tid(place) for _, place in wanted),
    )


def tidy(value: str | None) -> str | None:
    """On one line, without control characters, cut."""
    if value is None:
        return None
    plain = "".join(" " if unicodedata.category(c) == "Cc" else c for c in value)
    cut = plain if len(plain) <= CUT else f"{plain[: CUT - 1]}…"
    return " ".join(cut.split())
