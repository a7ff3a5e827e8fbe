"""What has to be true after every verb, whatever was hit."""

import time
from typing import Any

import psycopg

from mrl_pg import MatryoshkaIndex
from soaking.writers import DIMS, FIRST_KEY, Writer, paused, vector

QUERIES = 40

OURS = """
select attname::text as name from pg_attribute
where attrelid = 'docs'::regclass and attname like 'embedding\\_%' and attnum > 0
    and not attisdropped
union all
select tgname from pg_trigger
where tgrelid = 'docs'::regclass and tgname like 'zz\\_mrl%'
union all
select proname from pg_proc where proname like 'docs\\_embedding\\_%'
union all
select concat(relname, ' of kind ', relkind, to_json(state)) from pg_class
left join pg_index as state on state.indexrelid = pg_class.oid
where relname like 'docs\\_embedding\\_%'
"""
"""Columns, triggers, functions and indexes of ours."""


def check(url: str, there: list[MatryoshkaIndex], writers: list[Writer]) -> None:
    """Raise SystemExit unless rows, short values, status and objects are right."""
    with psycopg.connect(url, autocommit=True) as conn:
        with paused(writers):
            _check_rows(conn, writers)
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


def _check_rows(conn: psycopg.Connection[Any], writers: list[Writer]) -> None:
    known: dict[int, int] = dict(
        conn.execute("select id, note from docs where id > %s", [FIRST_KEY]).fetchall()
    )
    for writer in writers:
        if writer.lost:
            raise SystemExit(f"rows {writer.lost} are lost")
        for key, note in writer.rows.items():
            if key not in writer.unsure and known.get(key) != note:
                raise SystemExit(f"row {key}: {known.get(key)} instead of {note}")
        for key in writer.gone - writer.unsure:
            if key in known:
                raise SystemExit(f"row {key} was deleted and is there")


def _check_values(conn: psycopg.Connection[Any], index: MatryoshkaIndex) -> None:
    """Compare short values, if a column holds them, with those of `mrl.truncate`."""
    if index.keep == "expression":
        return
    prefix = f"mrl.truncate(embedding, {index.dims})"
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
        found = recall(conn, index)
        conn.execute(f"reindex index concurrently {index.name}".encode())
        fresh = recall(conn, index)
    if found < fresh - 0.03:
        raise SystemExit(f"recall {found} against {fresh} built again")
    return found, fresh


def recall(conn: psycopg.Connection[Any], index: MatryoshkaIndex) -> float:
    """Share of the true 10 that a search finds, over queries that are no rows."""
    found = 0
    for seed in range(1, QUERIES + 1):
        text = vector((1 << 31) - seed)
        query = [float(value) for value in text.strip("[]").split(",")]
        assert len(query) == DIMS
        exact = index.search(conn, query, k=10, exact=True).keys
        found += len({*exact} & {*index.search(conn, query, k=10).keys})
    return found / (10 * QUERIES)
