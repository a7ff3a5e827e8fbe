"""What SQL refuses: message, SQLSTATE, hint, and nothing is changed."""

from collections.abc import Iterator
from typing import Any

import pytest
from psycopg import errors, sql
from support.databases import Server
from support.plans import force_index
from support.sql_calls import ids, keys, many, named, text
from support.sql_plans import ordered, planned
from support.sql_state import catalog, current, refused
from support.tables import Docs, fresh_docs

Bad = errors.InvalidParameterValue
ZERO = str([0] * 64)

OPTIONS: list[tuple[dict[str, Any], type[errors.Error], str, str]] = [
    ({"k": 0}, Bad, "k 0 is below 1: ask for at least one row", ""),
    ({"k": -3}, Bad, "k -3 is below 1", ""),
    ({"k": None}, Bad, "k NULL is below 1", ""),
    ({"k": 1_000_000_001}, Bad, "k 1000000001 is above 1000000000", ""),
    ({"candidates": 9}, Bad, "candidates 9 is below k 10", ""),
    ({"candidates": 0, "k": 1}, Bad, "candidates 0 is below k 1", ""),
    ({"candidates": 1_000_000_001}, Bad, "candidates 1000000001 is above", ""),
    ({"ef_search": 0}, Bad, "ef_search 0 is outside 1 to 1000", ""),
    ({"ef_search": 1001}, Bad, "ef_search 1001 is outside 1 to 1000", ""),
    ({"ef_search": 159}, Bad, "ef_search 159 is below candidates 160", ""),
    ({"ef_search": 999, "candidates": 2000}, Bad, "ef_search 999 is below", ""),
    ({"max_scan_tuples": 0}, Bad, "max_scan_tuples 0 is below 1", ""),
    (
        # as large as none can be, so that no other stands in for it
        {"dims": 65},
        errors.UndefinedObject,
        "column public.docs.embedding has no short column of 65 dims",
        "there are: halfvec(32)",
    ),
    ({"kind": "text"}, errors.UndefinedObject, "kind text", "halfvec(32)"),
    ({"index_name": "x"}, errors.UndefinedObject, "index x", "halfvec(32)"),
    ({"filter": "n < $1"}, Bad, "the filter names $1", "args => array"),
    ({"filter": ""}, errors.SyntaxError, "syntax error", ""),
    ({"filter": "nothing = 5"}, errors.UndefinedColumn, '"nothing" does not exist', ""),
    ({"filter": "n"}, errors.DatatypeMismatch, "must be type boolean", ""),
]
ARGS: list[tuple[dict[str, Any], str, str]] = [
    ({"args": ["1"]}, "without a filter", ""),
    ({"filter": "n < $3::int", "args": ["1", "2"]}, "the filter names $3", "array"),
    ({"filter": "n < $17::int", "args": ["1"] * 16}, "the filter names $17", "array"),
    ({"filter": "n < $1::int", "args": ["1"] * 17}, "17 values", "one array"),
]


@pytest.fixture(scope="module")
def docs(pg_server: Server) -> Iterator[Docs]:
    with fresh_docs(pg_server, rows=300) as docs:
        force_index(docs.conn)
        docs.conn.execute(
            "create table plain (id int primary key, embedding vector(64), n int,"
            " loose vector, txt text, wide vector(2500));"
            "create table keyless (embedding vector(64));"
            "create view seen as select * from docs;"
            "create materialized view kept as select * from docs;"
            "create type made as (embedding vector(64));"
            "create foreign data wrapper away;"
            "create server yonder foreign data wrapper away;"
            "create foreign table far (embedding vector(64)) server yonder"
        )
        yield docs


@pytest.fixture(autouse=True)
def unchanged(docs: Docs) -> Iterator[None]:
    """Whatever is refused, tables, registry and settings stay as they were."""
    before = [catalog(docs.conn, table) for table in ("docs", "plain", "keyless")]
    settings = current(docs.conn)
    yield
    after = [catalog(docs.conn, table) for table in ("docs", "plain", "keyless")]
    assert after == before
    assert current(docs.conn) == settings
    assert ordered(planned(docs.conn, "rows", [docs.vectors[0]])) == [docs.index.name]


@pytest.mark.parametrize(("options", "kind", "message", "hint"), OPTIONS)
def test_options(
    docs: Docs,
    options: dict[str, Any],
    kind: type[errors.Error],
    message: str,
    hint: str,
) -> None:
    for call in (ids, keys):
        with refused(kind, message, hint):
            call(docs.conn, docs.vectors[0], **options)
    with refused(kind, message, hint):
        many(docs.conn, [docs.vectors[0]], **options)
    if kind in (Bad, errors.UndefinedObject) and "filter" not in options:
        for start in ("search_sql(", "create_search_function('f', "):
            call_sql = sql.SQL("select mrl.{}'docs', 'embedding'{})").format(
                sql.SQL(start), named(options)
            )
            with refused(kind, message, hint):
                docs.conn.execute(call_sql)


@pytest.mark.parametrize(("options", "message", "hint"), ARGS)
def test_arguments(
    docs: Docs, options: dict[str, Any], message: str, hint: str
) -> None:
    for call in (ids, keys):
        with refused(Bad, message, hint):
            call(docs.conn, docs.vectors[0], **options)
    with refused(Bad, message, hint):
        many(docs.conn, [docs.vectors[0]], **options)


@pytest.mark.parametrize(
    ("query", "kind", "message", "hint"),
    [
        ("null", errors.NullValueNotAllowed, "the query is NULL", "of 64 dimensions"),
        (
            "'[1,2,3]'",
            errors.DataException,
            "the query has 3 dimensions, public.docs.embedding has 64",
            "do not shorten",
        ),
        (f"'{ZERO}'", errors.DataException, "the query is all zeros, which has no", ""),
    ],
)
@pytest.mark.parametrize("more", ["", ", filter => 'n < 5'", ", exact => true"])
def test_queries(
    docs: Docs,
    query: str,
    kind: type[errors.Error],
    message: str,
    hint: str,
    more: str,
) -> None:
    for call in (
        f"mrl.search(null::docs, 'embedding', {query}{more})",
        f"mrl.search_keys(null::bigint, 'docs', 'embedding', {query}{more})",
        f"mrl.search_many(null::docs, 'embedding', array[{query}]::vector[]{more})",
    ):
        with refused(kind, message, hint):
            docs.conn.execute(f"select * from {call}".encode())


RELATIONS: list[tuple[str, str, type[errors.Error], str, str]] = [
    ("seen", "embedding", errors.WrongObjectType, "seen is a view", "the table"),
    (
        "kept",
        "embedding",
        errors.WrongObjectType,
        "is a materialized view",
        "the table",
    ),
    ("far", "embedding", errors.WrongObjectType, "is a foreign table", "the table"),
    ("docs_pkey", "id", errors.WrongObjectType, "is a relation of kind i", "the table"),
    ("made", "embedding", errors.WrongObjectType, "is a composite type", "the table"),
    ("plain", "nothing", errors.UndefinedColumn, "public.plain.nothing does", "loose"),
    ("plain", "txt", errors.DatatypeMismatch, "is of type text", "vector(n) or"),
    (
        "plain",
        "loose",
        errors.DatatypeMismatch,
        "declares no dimensions",
        "alter table",
    ),
    (
        *("plain", "embedding", errors.UndefinedObject),
        *("column public.plain.embedding has no short column", "mrl.create_index("),
    ),
]


@pytest.mark.parametrize(("relation", "column", "kind", "message", "hint"), RELATIONS)
def test_relations(
    docs: Docs,
    relation: str,
    column: str,
    kind: type[errors.Error],
    message: str,
    hint: str,
) -> None:
    query = f"'{text(docs.vectors[0])}'"
    calls = []
    if relation != "docs_pkey":
        calls += [
            f"mrl.search(null::{relation}, '{column}', {query})",
            f"mrl.search_many(null::{relation}, '{column}', array[{query}]::vector[])",
        ]
    if relation != "made":
        calls += [
            f"mrl.search_keys(null::int, '{relation}', '{column}', {query})",
            f"mrl.search_sql('{relation}', '{column}')",
            f"mrl.create_search_function('f', '{relation}', '{column}')",
            f"mrl.recall('{relation}', '{column}')",
        ]
    if kind is not errors.UndefinedObject:
        calls.append(f"mrl.create_index('{relation}', '{column}', 16)")
        calls.append(f"mrl.create_index_sql('{relation}', '{column}', 16)")
    for call in calls:
        with refused(kind, message, hint):
            docs.conn.execute(f"select * from {call}".encode())


@pytest.mark.parametrize("of_type", ["int", "text", "timestamptz", "docs[]", '"char"'])
def test_types_that_are_no_tables(docs: Docs, of_type: str) -> None:
    query = f"'{text(docs.vectors[0])}'"
    for call in (
        f"mrl.search(null::{of_type}, 'embedding', {query})",
        f"mrl.search_many(null::{of_type}, 'embedding', array[{query}]::vector[])",
    ):
        with refused(errors.DatatypeMismatch, "is not the row type of a", "null::docs"):
            docs.conn.execute(f"select * from {call}".encode())


def test_a_key_that_does_not_fit_the_type_asked(docs: Docs) -> None:
    with refused(errors.CannotCoerce, "cannot cast type bigint to"):
        keys(docs.conn, docs.vectors[0], key="timestamptz")
    with refused(errors.UndefinedTable, 'relation "nowhere" does not exist'):
        keys(docs.conn, docs.vectors[0], table="nowhere")
