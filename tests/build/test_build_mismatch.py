"""What is there already: half states are finished, another's objects are left alone."""

import re
from typing import Any

import psycopg
import pytest

from mrl_pg import IndexMismatch, IndexNotFound, MatryoshkaIndex

Conn = psycopg.Connection[Any]
INDEX = MatryoshkaIndex("docs", "embedding", dims=4)
SHORT, NAME = INDEX.short, INDEX.name
STATE = (
    "select 'column', attrelid::regclass::text, attname::text, "
    "format_type(atttypid, atttypmod), pg_get_expr(adbin, adrelid), attrelid::bigint "
    "from pg_attribute left join pg_attrdef on adrelid = attrelid and adnum = attnum "
    "where attrelid::regclass::text in ('docs', 'older') and attnum > 0 "
    "and not attisdropped "
    "union all select 'index', indrelid::regclass::text, indisvalid::text, "
    "pg_get_indexdef(indexrelid), null, indexrelid::bigint "
    "from pg_index where indrelid::regclass::text in ('docs', 'older') "
    "union all select 'registry', index_name::text, null, null, null, null "
    "from mrl.registry "
    "order by 1, 2, 3, 4"
)
HALVES = "generated always as (l2_normalize(subvector(embedding, 1, 4))::halfvec(4))"
OTHER_COLUMNS = {
    "plain": "halfvec(4)",
    "other type": "vector(4) generated always as "
    "(l2_normalize(subvector(embedding, 1, 4))) stored",
    "other dims": "halfvec(3) generated always as "
    "(l2_normalize(subvector(embedding, 1, 3))::halfvec(3)) stored",
    "longer prefix": "halfvec generated always as "
    "(l2_normalize(subvector(embedding, 1, 5))::halfvec) stored",
    "not a prefix": "halfvec(4) generated always as "
    "(l2_normalize(subvector(embedding, 2, 4))::halfvec(4)) stored",
    "not renormalised": "halfvec(4) generated always as "
    "(subvector(embedding, 1, 4)::halfvec(4)) stored",
    "other source": "halfvec(4) generated always as "
    "(l2_normalize(subvector(other, 1, 4))::halfvec(4)) stored",
    "text": "text",
}
COLUMN = f"alter table docs add column {SHORT} halfvec(4) {HALVES} stored"
WITH = "with (m = 16, ef_construction = 64)"
OTHER_INDEXES = {
    "other operators": f"on docs using hnsw ({SHORT} halfvec_l2_ops) {WITH}",
    "other m": f"on docs using hnsw ({SHORT} halfvec_cosine_ops) "
    "with (m = 8, ef_construction = 64)",
    "other ef_construction": f"on docs using hnsw ({SHORT} halfvec_cosine_ops) "
    "with (m = 16, ef_construction = 65)",
    "other method": f"on docs using ivfflat ({SHORT} halfvec_cosine_ops) "
    "with (lists = 1)",
    "other column": f"on docs using hnsw (embedding vector_cosine_ops) {WITH}",
    "no vector": "on docs (id)",
    "partial": f"on docs using hnsw ({SHORT} halfvec_cosine_ops) {WITH} where id > 3",
    "expression": "on docs using hnsw ((subvector(embedding, 1, 4)::halfvec(4)) "
    f"halfvec_cosine_ops) {WITH}",
    "other table": f"on older using hnsw ({SHORT} halfvec_cosine_ops) {WITH}",
}


@pytest.fixture
def docs(conn: Conn) -> Conn:
    """A table of 20 rows with two full columns."""
    conn.execute(
        "create table docs (id int primary key, embedding vector(8), other vector(8))"
    )
    conn.execute(
        "insert into docs select i, array[i,1,2,3,4,5,6,7]::real[], "
        "array[1,i,0,0,0,0,0,0]::real[] from generate_series(1, 20) as i"
    )
    return conn


def build(conn: Conn, name: str, definition: str) -> None:
    if definition.startswith("on older"):
        conn.execute("create table older (like docs including all)")
    conn.execute(f"create index {name} {definition}".encode())


def invalidate(conn: Conn, name: str) -> None:
    """Leave an index as an interrupted concurrent build does."""
    conn.execute(
        "update pg_index set indisvalid = false where indexrelid = %s::regclass", [name]
    )


@pytest.mark.parametrize("definition", OTHER_COLUMNS.values(), ids=OTHER_COLUMNS)
def test_another_column_of_that_name_is_refused(docs: Conn, definition: str) -> None:
    docs.execute(f"alter table docs add column {SHORT} {definition}".encode())
    before = docs.execute(STATE).fetchall()
    for act in (INDEX.create, INDEX.drop):
        with pytest.raises(IndexMismatch, match=f"public.docs.{SHORT}.*short="):
            act(docs)
    assert docs.execute(STATE).fetchall() == before


@pytest.mark.parametrize("valid", [True, False], ids=["valid", "invalid"])
@pytest.mark.parametrize("definition", OTHER_INDEXES.values(), ids=OTHER_INDEXES)
def test_another_index_of_that_name_is_refused(
    docs: Conn, definition: str, valid: bool
) -> None:
    docs.execute(COLUMN.encode())
    build(docs, NAME, definition)
    if not valid:
        invalidate(docs, NAME)
    before = docs.execute(STATE).fetchall()
    with pytest.raises(IndexMismatch, match=f"index '{NAME}' exists.*name="):
        INDEX.create(docs)
    assert docs.execute(STATE).fetchall() == before


@pytest.mark.parametrize("name", ["no vector", "other column"])
def test_another_index_without_a_column_of_ours(docs: Conn, name: str) -> None:
    build(docs, NAME, OTHER_INDEXES[name])
    before = docs.execute(STATE).fetchall()
    for act in (INDEX.create, INDEX.drop):
        with pytest.raises(IndexMismatch, match=re.escape("CREATE INDEX " + NAME)):
            act(docs)
    assert docs.execute(STATE).fetchall() == before


def test_a_partial_index_is_not_searched(docs: Conn) -> None:
    docs.execute(COLUMN.encode())
    build(docs, NAME, OTHER_INDEXES["partial"])
    with pytest.raises(IndexMismatch, match=r"WHERE \(id > 3\)"):
        INDEX.search(docs, [1.0] * 8)


def test_a_column_without_an_index_gets_one(docs: Conn) -> None:
    docs.execute(COLUMN.encode())
    with pytest.raises(IndexNotFound, match=r"run index\.create"):
        INDEX.search(docs, [1.0] * 8)
    report = INDEX.create(docs)
    assert [label for label, _ in report.done] == [f"built index {NAME}"]
    assert len(INDEX.search(docs, [1.0] * 8, k=5)) == 5


def test_an_invalid_index_is_built_again(docs: Conn) -> None:
    INDEX.create(docs)
    invalidate(docs, NAME)
    usable = "select usable from mrl.indexes"
    assert docs.execute(usable).fetchall() == [(False,)]
    with pytest.raises(IndexNotFound, match=r"is not valid.*builds it again"):
        INDEX.search(docs, [1.0] * 8)
    report = INDEX.create(docs)
    assert [label for label, _ in report.done] == [
        "dropped the invalid index of that name",
        f"built index {NAME}",
    ]
    assert docs.execute(usable).fetchall() == [(True,)]
    assert len(INDEX.search(docs, [1.0] * 8, k=5)) == 5


def test_an_invalid_index_can_be_dropped(docs: Conn) -> None:
    before = docs.execute(STATE).fetchall()
    INDEX.create(docs)
    invalidate(docs, NAME)
    INDEX.drop(docs)
    assert docs.execute(STATE).fetchall() == before


def test_a_lost_registry_row_is_written_again(docs: Conn) -> None:
    INDEX.create(docs)
    docs.execute("delete from mrl._registry")
    assert not INDEX.create(docs).changed
    assert len(docs.execute("select * from mrl.indexes").fetchall()) == 1


def test_a_column_made_by_hand_in_the_same_way_is_taken(docs: Conn) -> None:
    docs.execute(COLUMN.encode())
    build(docs, NAME, f"on docs using hnsw ({SHORT} halfvec_cosine_ops) {WITH}")
    assert not INDEX.create(docs).changed
    assert docs.execute("select usable from mrl.indexes").fetchall() == [(True,)]


def test_a_renamed_table_keeps_its_index(docs: Conn) -> None:
    INDEX.create(docs)
    docs.execute("alter table docs rename to older")
    older = MatryoshkaIndex("older", "embedding", dims=4, name=NAME)
    assert not older.create(docs).changed
    shown = docs.execute("select table_name::text from mrl.indexes").fetchall()
    assert shown == [("older",)]
    older.drop(docs)
    assert docs.execute("select * from mrl.registry").fetchall() == []
