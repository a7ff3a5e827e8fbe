"""What has to be true after every verb, whatever was hit."""

import math
import random
import time
from typing import Any

import numpy as np
import psycopg
from numpy.typing import NDArray

from mrl_pg import MatryoshkaColumn, MatryoshkaIndex
from soaking.table import COLUMNS, rows_of, seed_of, values
from soaking.writers import Writer, paused

QUERIES = 50

CANDIDATES = 400
"""More than by default, because then chance moves the share that is found less."""

SAMPLE = 100
"""Rows whose full vectors are compared with what was written."""

OURS = """
select attname::text as name from pg_attribute
where attrelid = 'docs'::regclass and attname ~ '^embedding_(v2_)?[0-9]+_'
    and attnum > 0 and not attisdropped
union all
select tgname from pg_trigger
where tgrelid = 'docs'::regclass and tgname like 'zz\\_mrl%'
union all
select proname from pg_proc where proname ~ '^docs_embedding_(v2_)?[0-9]+_'
union all
select concat(relname, ' of kind ', relkind, to_json(state)) from pg_class
left join pg_index as state on state.indexrelid = pg_class.oid
where relname ~ '^docs_embedding_(v2_)?[0-9]+_'
"""
"""Columns, triggers, functions and indexes of ours."""


def check(
    url: str,
    there: list[MatryoshkaIndex],
    writers: list[Writer],
    rows: int,
) -> None:
    """Raise SystemExit unless rows, short values, status and objects are right."""
    with psycopg.connect(url, autocommit=True) as conn:
        with paused(writers):
            _check_rows(conn, writers, rows)
        states = conn.execute(
            "select index_name, usable, finding, detail "
            "from mrl.status(check_rows => true)"
        ).fetchall()
        found = sorted((name, usable, finding) for name, usable, finding, _ in states)
        if found != sorted((index.name, True, None) for index in there):
            raise SystemExit(f"status says {states}")
        for index in there:
            _check_values(conn, index)
        if not there and (left := conn.execute(OURS).fetchall()):
            raise SystemExit(f"left after the drop: {left}")


def check_named(url: str) -> None:
    """Raise SystemExit if status says nothing of what a broken verb left."""
    with psycopg.connect(url, autocommit=True) as conn:
        for _ in range(50):
            left = conn.execute(OURS).fetchall()
            said = conn.execute("select from mrl.status()").fetchall()
            builds = conn.execute("select mrl._builder('docs'::regclass)").fetchone()
            # a server process whose client was killed may go on building
            if not left or said or builds != (None,):
                return
            time.sleep(0.1)
    raise SystemExit(f"left, and not named by status: {left}")


def check_filled(url: str, column: str, writers: list[Writer]) -> None:
    """Raise SystemExit unless all rows have the vector of another model."""
    with psycopg.connect(url, autocommit=True) as conn, paused(writers):
        empty = conn.execute(
            f"select count(*) from docs where {column} is null".encode()
        ).fetchone()
        if empty != (0,):
            raise SystemExit(f"{empty} rows have no {column}")
        _check_vectors(conn, column)


def _check_rows(
    conn: psycopg.Connection[Any], writers: list[Writer], rows: int
) -> None:
    there = dict(rows_of(conn))
    base = sum(key <= rows for key in there)
    if base != rows:
        raise SystemExit(f"{base} of the first {rows} rows are there")
    for writer in writers:
        if writer.lost:
            raise SystemExit(f"rows {writer.lost} are lost")
        for key, note in writer.rows.items():
            if key not in writer.unsure and there.get(key) != note:
                raise SystemExit(f"row {key}: {there.get(key)} instead of {note}")
        for key in writer.gone - writer.unsure:
            if key in there:
                raise SystemExit(f"row {key} was deleted and is there")
    for column in writers[0].columns:
        _check_vectors(conn, column)


def _check_vectors(conn: psycopg.Connection[Any], column: str) -> None:
    """Compare full vectors of some rows with those that were written."""
    some = random.sample(sorted(rows_of(conn)), SAMPLE)
    found = conn.execute(
        f"select id, note, {column}::real[] from docs where id = any (%s)".encode(),
        [[key for key, _ in some]],
    ).fetchall()
    for key, note, vector in found:
        wanted = values(seed_of(key, note), column)
        # a row that the application has yet to write
        if vector is not None and not np.allclose(vector, wanted, atol=1e-6):
            raise SystemExit(f"row {key} has another vector in {column}")


def _check_values(conn: psycopg.Connection[Any], index: MatryoshkaIndex) -> None:
    """Compare short values, if a column holds them, with those of `mrl.truncate`."""
    kept_as = conn.execute(
        "select kept_as from mrl.registry where index_name = %s", [index.name]
    ).fetchone()
    if kept_as == ("expression",):
        return
    prefix = f"mrl.truncate({index.column}, {index.dims})"
    value = f"binary_quantize({prefix})" if index.kind == "bit" else prefix
    wrong = conn.execute(
        f"select count(*) from docs where {index.short} is distinct from "
        f"{value}::{index.kind}({index.dims})".encode()
    ).fetchone()
    if wrong != (0,):
        raise SystemExit(f"{wrong} values of {index.short} are wrong")


def check_recall(url: str, index: MatryoshkaIndex) -> tuple[float, float]:
    """The recall of an index, and of the same index built again; SystemExit if less."""
    with psycopg.connect(url, autocommit=True) as conn:
        # entries of rows that are gone take places among the candidates
        conn.execute("vacuum docs")
        found = recalls(conn, index)
        conn.execute(f"reindex index concurrently {index.name}".encode())
        fresh = recalls(conn, index)
    lost = fresh - found
    # two graphs of the same rows differ, too: layers are drawn at random, writers go on
    by_chance = 3 * float(lost.std()) / math.sqrt(len(lost))
    before, after = float(found.mean()), float(fresh.mean())
    if before < after - max(0.03, by_chance):
        raise SystemExit(f"recall {before:.3f} against {after:.3f} built again")
    return before, after


def check_both(url: str, used: str, index: MatryoshkaIndex) -> None:
    """Raise SystemExit unless searches with both queries use this column and index."""
    with psycopg.connect(url, autocommit=True) as conn:
        now = conn.execute("select mrl.in_use_column('docs', %s)", [used]).fetchone()
        both = MatryoshkaColumn("docs", used)
        query = {column: query_of(1, column) for column in COLUMNS}
        name = both.search(conn, query, k=10).index_name
        if (now, name) != ((index.column,), index.name):
            raise SystemExit(f"{now} and {name} are in use, not {index.name}")


def query_of(number: int, column: str) -> list[float]:
    """A query that is no row."""
    made: list[float] = values((1 << 31) - number, column).tolist()
    return made


def recalls(
    conn: psycopg.Connection[Any], index: MatryoshkaIndex
) -> NDArray[np.float64]:
    """Shares of the true 10 that a search finds, for queries that are no rows."""
    found = []
    for number in range(1, QUERIES + 1):
        query = query_of(number, index.column)
        exact = index.search(conn, query, k=10, exact=True).keys
        answer = index.search(conn, query, k=10, candidates=CANDIDATES)
        found.append(len({*exact} & {*answer.keys}) / 10)
    return np.array(found)
