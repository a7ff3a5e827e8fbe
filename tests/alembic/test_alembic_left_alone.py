"""Autogenerate never drops what mrl_pg made: short columns, indexes, registry, mrl."""

from pathlib import Path
from typing import Any

import psycopg
import pytest
from pgvector.sqlalchemy import VECTOR
from sqlalchemy import Column, Connection, Integer, MetaData, Table, create_engine, text
from support.scratch import Project, docs, execute, operations, registry, sqlalchemy_url

from mrl_pg import MatryoshkaIndex
from mrl_pg.sqlalchemy import Matryoshka

MADE = "create table docs (id serial primary key, embedding vector(8))"
SCHEMAS = pytest.mark.parametrize(
    "options", [{}, {"include_schemas": True}], ids=["default schema", "schemas"]
)


def by_psql(url: str) -> None:
    execute(url, "select mrl.create_index('docs', 'embedding', 4)")


def by_psql_with_names(url: str) -> None:
    execute(
        url,
        "select mrl.create_index('docs', 'embedding', 4, short_column => 'brief', "
        "index_name => 'nearest')",
    )


def by_python(url: str) -> None:
    with psycopg.connect(url) as conn:
        MatryoshkaIndex("docs", "embedding", dims=4).create(conn)


def with_a_name(url: str) -> None:
    execute(
        url, "select mrl.create_index('docs', 'embedding', 4, index_name => 'nearest')"
    )


def by_create_all(url: str) -> None:
    engine = create_engine(sqlalchemy_url(url))
    execute(url, "drop table docs")
    docs(Matryoshka(4)).create_all(engine)
    engine.dispose()


WAYS = {
    "psql": (by_psql, Matryoshka(4)),
    "psql with names": (by_psql_with_names, Matryoshka(4, short="brief")),
    "python": (by_python, Matryoshka(4)),
    "another name": (with_a_name, Matryoshka(4)),
    "create_all": (by_create_all, Matryoshka(4)),
}


@SCHEMAS
def test_what_others_made_is_what_the_model_declares(
    options: dict[str, Any], database: str, tmp_path: Path
) -> None:
    execute(
        database,
        "create table mrl_alembic_version (version_num varchar(32) primary key)",
    )
    for number, (make, declared) in enumerate(WAYS.values()):
        execute(database, "drop table if exists docs", MADE)
        make(database)
        project = Project(
            tmp_path / str(number), database, docs(declared), options=options
        )
        project.check()


@SCHEMAS
def test_what_the_model_does_not_declare_is_dropped_as_what_it_is(
    options: dict[str, Any], database: str, tmp_path: Path
) -> None:
    execute(database, MADE)
    with_a_name(database)
    project = Project(tmp_path, database, options=options)
    written = project.there_and_back(docs())
    assert operations(written) == ["drop_matryoshka_index"]
    assert "name='nearest'" in written
    assert "drop_column" not in written


@SCHEMAS
def test_a_half_built_index_is_finished(
    options: dict[str, Any], database: str, tmp_path: Path
) -> None:
    execute(database, MADE)
    statements = execute(
        database, "select mrl.create_index_sql('docs', 'embedding', 4)"
    )
    # not registered yet, and the index is not valid
    execute(
        database,
        *(statement for (statement,) in statements[:2]),
        "update pg_index set indisvalid = false "
        "where indexrelid = 'docs_embedding_4_halfvec_cosine_hnsw'::regclass",
    )
    project = Project(tmp_path, database, options=options)
    written = project.step(docs(Matryoshka(4)))
    assert operations(written) == ["create_matryoshka_index"]
    assert [row[-1] for row in registry(database)] == [True]


def test_an_index_that_was_dropped_by_hand_is_built_again(
    database: str, tmp_path: Path
) -> None:
    execute(database, MADE)
    by_psql(database)
    execute(database, "drop index docs_embedding_4_halfvec_cosine_hnsw")
    project = Project(tmp_path, database)
    assert operations(project.step(docs(Matryoshka(4, m=8)))) == [
        "resize_matryoshka_index"
    ]


@SCHEMAS
def test_tables_and_names_that_filters_leave_out(
    options: dict[str, Any], database: str, tmp_path: Path
) -> None:
    execute(database, MADE)
    by_psql(database)

    def objects(item: Any, name: str, kind: str, *rest: Any) -> bool:
        return not (kind == "table" and name == "docs")

    def names(name: str | None, kind: str, parents: Any) -> bool:
        return not (kind == "table" and name in ("docs", "registry"))

    filtered = Project(
        tmp_path / "object",
        database,
        docs(Matryoshka(2)),
        options={**options, "include_object": objects},
    )
    filtered.check()
    filtered = Project(
        tmp_path / "undeclared",
        database,
        MetaData(),
        options={**options, "include_object": objects},
    )
    filtered.check()
    filtered = Project(
        tmp_path / "name",
        database,
        MetaData(),
        options={**options, "include_name": names},
    )
    filtered.check()


def test_columns_and_indexes_that_filters_leave_out(
    database: str, tmp_path: Path
) -> None:
    execute(database, MADE)
    by_psql(database)

    def names(name: str | None, kind: str, parents: Any) -> bool:
        return kind not in ("column", "index") or "halfvec" not in str(name)

    Project(
        tmp_path, database, docs(Matryoshka(4)), options={"include_name": names}
    ).check()


def keep_objects(
    item: Any, name: str, kind: str, reflected: bool, compare_to: Any
) -> bool:
    # a filter may look at the table of what it is asked about
    there = kind == "table" or item.table.name == "docs"
    return there and not (reflected and compare_to is None)


def keep_names(name: str | None, kind: str, parents: Any) -> bool:
    return kind not in ("column", "index") or name in ("id", "embedding")


@pytest.mark.parametrize(
    "options", [{"include_object": keep_objects}, {"include_name": keep_names}]
)
def test_an_index_that_no_model_declares_and_filters_keep(
    options: dict[str, Any], database: str, tmp_path: Path
) -> None:
    """As those write them who never have autogenerate drop what models do not have."""
    execute(database, MADE)
    by_psql(database)
    Project(tmp_path, database, docs(), options=options).check()
    assert len(registry(database)) == 1


def test_several_schemas(database: str, tmp_path: Path) -> None:
    execute(database, "create schema app")
    project = Project(tmp_path, database, options={"include_schemas": True})

    def models(here: Matryoshka, there: Matryoshka) -> MetaData:
        return docs(here, metadata=docs(there, schema="app"))

    written = project.there_and_back(models(Matryoshka(4), Matryoshka(2)))
    assert operations(written).count("create_matryoshka_index") == 2
    assert [row[:3] for row in registry(database)] == [
        ("app.docs", "embedding_2_halfvec", 2),
        ("docs", "embedding_4_halfvec", 4),
    ]
    written = project.there_and_back(models(Matryoshka(4), Matryoshka(4, m=8)))
    assert operations(written) == ["create_matryoshka_index"]
    assert "schema='app'" in written
    project.step(project.metadata)
    assert operations(project.there_and_back(docs(Matryoshka(4)))) == [
        "drop_matryoshka_index",
        "drop_table",
    ]


def test_the_default_schema_by_its_name(database: str, tmp_path: Path) -> None:
    project = Project(tmp_path, database)
    project.there_and_back(docs(Matryoshka(4), schema="public"))
    project.there_and_back(docs(Matryoshka(2), schema="public"))
    project.there_and_back(MetaData())


def tenant(connection: Connection) -> None:
    """The search path leads to a schema first, models name none."""
    connection.execute(text("set search_path = tenant, public"))
    connection.commit()
    connection.dialect.default_schema_name = "tenant"


def test_another_default_schema(database: str, tmp_path: Path) -> None:
    execute(database, "create schema tenant", MADE)
    by_psql(database)
    execute(database, f"set search_path = tenant, public; {MADE}")
    project = Project(tmp_path, database, before=tenant)
    assert operations(project.there_and_back(docs(Matryoshka(4)))) == [
        "create_matryoshka_index"
    ]
    for _ in ("expand", "contract"):
        project.there_and_back(docs(Matryoshka(2)))
    assert [row[0] for row in registry(database)] == ["docs", "tenant.docs"]
    project.there_and_back(docs())
    # the table of the same name in another schema is as it was
    assert [row[:3] for row in registry(database)] == [
        ("docs", "embedding_4_halfvec", 4)
    ]


def test_a_table_further_down_the_search_path(database: str, tmp_path: Path) -> None:
    execute(database, "create schema tenant", MADE)
    by_psql(database)
    project = Project(tmp_path, database, docs(Matryoshka(4)), before=tenant)
    project.check()
    written = project.there_and_back(docs(Matryoshka(2)))
    assert operations(written) == ["create_matryoshka_index"]
    assert operations(project.there_and_back(docs())) == ["drop_matryoshka_index"] * 2


def test_an_index_of_the_model_on_the_full_column_is_its_own(
    database: str, tmp_path: Path
) -> None:
    metadata = MetaData()
    Table(
        "docs",
        metadata,
        Column("id", Integer, primary_key=True),
        Column("embedding", VECTOR(8), Matryoshka(4)),
        Column("lang", Integer, index=True),
    )
    project = Project(tmp_path, database)
    project.there_and_back(metadata)
    written = project.revise(docs(Matryoshka(4)))
    assert operations(written)[-1] == "drop_column"
    assert "ix_docs_lang" in written
