"""Tables a search cannot work on, each told apart; nothing changed."""

from typing import Any

import pytest
from support.databases import Conn
from support.tables import make_table
from support.vectors import DIMS, matryoshka

from mrl_pg import MatryoshkaIndex, MrlError
from mrl_pg.errors import (
    ColumnNotFound,
    InvalidSetting,
    NoPrimaryKey,
    NotAVectorColumn,
    TableNotFound,
)

VECTORS = matryoshka(200)
QUERY = VECTORS[0]

# what stands in the database, the index asked for, and what is said
TABLES: dict[str, tuple[str, dict[str, Any], type[MrlError], tuple[str, ...]]] = {
    "no table": (
        "",
        {"table": "dogs"},
        TableNotFound,
        ("'dogs'", "does not exist", "schema="),
    ),
    "other capitals": ("", {"table": "Docs"}, TableNotFound, ("'Docs'", "capitals")),
    "other schema": (
        "create schema other",
        {"schema": "other"},
        TableNotFound,
        ("'other.docs'", "does not exist"),
    ),
    "dotted": ("", {"table": "public.docs"}, TableNotFound, ("schema=",)),
    "view": (
        "create view seen as table docs",
        {"table": "seen"},
        TableNotFound,
        ("'seen'", "is a view", "name the table"),
    ),
    "materialized view": (
        "create materialized view kept as table docs",
        {"table": "kept"},
        TableNotFound,
        ("materialized view", "name the table"),
    ),
    "no column": (
        "",
        {"column": "vector"},
        ColumnNotFound,
        ("'docs.vector'", "id, n, title, embedding"),
    ),
    "dropped column": (
        "alter table docs add gone vector(64); alter table docs drop gone",
        {"column": "gone"},
        ColumnNotFound,
        ("'docs.gone'",),
    ),
    "text": (
        "",
        {"column": "title"},
        NotAVectorColumn,
        ("'docs.title'", "text", "vector(n) or halfvec(n)"),
    ),
    "array": (
        "alter table docs add reals real[]",
        {"column": "reals"},
        NotAVectorColumn,
        ("vector(n)",),
    ),
    "sparse": (
        "alter table docs add sparse sparsevec(64)",
        {"column": "sparse"},
        NotAVectorColumn,
        ("sparsevec",),
    ),
    "no dimensions": (
        "alter table docs add any_size vector",
        {"column": "any_size"},
        NotAVectorColumn,
        ("'docs.any_size'", "no dimensions", "alter table", "vector(n)"),
    ),
    "no key": (
        "alter table docs drop constraint docs_pkey, add unique (id)",
        {},
        NoPrimaryKey,
        ("'docs'", "no primary key", "alter table"),
    ),
    "longer than full": (
        "",
        {"dims": DIMS + 1},
        InvalidSetting,
        ("dims=65", "64", "'docs.embedding'"),
    ),
}


@pytest.mark.parametrize("name", TABLES)
def test_a_table_that_cannot_be_searched(conn: Conn, name: str) -> None:
    there, fields, error, words = TABLES[name]
    make_table(conn, VECTORS)
    conn.execute(there)
    before = catalog_of(conn)
    fields = {"table": "docs", "column": "embedding", "dims": 32, **fields}
    index = MatryoshkaIndex(**fields)
    with conn.transaction():  # a typed refusal leaves the transaction as it was
        for act in (
            lambda: index.search(conn, QUERY),
            lambda: index.search(conn, QUERY, exact=True),
            lambda: index.search_many(conn, [QUERY]),
            lambda: index.create(conn),
        ):
            with pytest.raises(error) as raised:
                act()
            for word in words:
                assert word in str(raised.value)
        assert conn.execute("select 1").fetchone() == (1,)
    assert catalog_of(conn) == before


def catalog_of(conn: Conn) -> list[Any]:
    """Columns and indexes of every table, and the registry."""
    query = (
        "select attrelid::regclass::text, attname, attisdropped::text "
        "from pg_attribute where attrelid >= 16384 union all "
        "select table_id::text, index_name, '' from mrl.registry order by 1, 2"
    )
    return conn.execute(query).fetchall()
