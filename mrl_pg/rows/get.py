"""Reads rows by key."""

from collections.abc import Iterable, Sequence
from typing import Any

from psycopg import sql

from mrl_pg import arguments, source
from mrl_pg.catalog.rotations import unrotated
from mrl_pg.catalog.slots import comma, name, statement
from mrl_pg.exchange import AnyConn, Exchange, Find, FoundRows, cursors, look
from mrl_pg.layout import IndexLayout, Searched
from mrl_pg.rows.facts import RowFacts, known_row_facts
from mrl_pg.rows.keys import GivenKeys, given_keys
from mrl_pg.rows.report import StoredRow
from mrl_pg.search.result import own_columns


def get(
    conn: AnyConn,
    searched: Searched,
    keys: Iterable[Any],
    columns: Sequence[str] | None,
) -> Exchange[list[StoredRow | None]]:
    """Rows in the order of their keys, None where there is none."""
    facts = yield from known_row_facts(conn, searched)
    given = given_keys(facts, keys)
    if columns is None:
        names = yield from _all_columns(facts)
    else:
        names = arguments.names("columns", columns)
        facts.check_columns(names)
    rows: list[StoredRow | None] = [None] * given.count
    if rows:
        request = get_request(conn, facts, given, names)
        answer: FoundRows = yield request
        for place, row in _placed(facts, names, answer):
            rows[place] = row
    return rows


def get_request(
    conn: AnyConn, facts: RowFacts, given: GivenKeys, names: Sequence[str]
) -> Find:
    """The statement that reads the rows, whose values the caller's loaders read."""
    read = (sql.Identifier("mrl_row"), sql.SQL("."))
    columns = comma(
        sql.Composed([*read, name(column)]) for column in (*facts.key.names, *names)
    )
    query = statement("rows_by_key", table=facts.table, columns=columns, **given.slots)
    return Find(cursors.as_bytes(conn, query), given.params, prepare=False)


def _all_columns(facts: RowFacts) -> Exchange[tuple[str, ...]]:
    """All columns of the table but the short columns."""
    short = set()
    if isinstance(facts.searched, IndexLayout):
        short.add(facts.searched.short)
    if facts.mrl_installed:
        table = {"table_id": facts.table_id}
        rows = yield from look(source.statement("short_columns").encode(), table)
        short.update(row["name"] for row in rows)
    return tuple(column for column in facts.server.columns if column not in short)


def _placed(
    facts: RowFacts, names: Sequence[str], answer: FoundRows
) -> Iterable[tuple[int, StoredRow]]:
    keys = len(facts.key.names)
    places = own_columns(answer, "mrl_place")
    rotations = facts.server.rotations
    for row, own in zip(answer.rows, places, strict=True):
        key = row[0] if keys == 1 else row[:keys]
        columns = dict(zip(names, row[keys:-1], strict=True))
        for column in rotations.keys() & columns.keys():
            columns[column] = unrotated(columns[column], rotations[column])
        # places are counted from 1
        yield int(own["mrl_place"]) - 1, StoredRow(key, columns)
