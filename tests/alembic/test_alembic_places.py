"""Operations where Alembic's own would work, and on what the registry does not know."""

import logging
from dataclasses import replace
from pathlib import Path

import pytest
from alembic.migration import MigrationContext
from alembic.operations import Operations, ops
from pgvector.sqlalchemy import VECTOR
from sqlalchemy import Column, Integer, MetaData, Table
from support.scratch import (
    Project,
    catalog,
    docs,
    engine,
    execute,
    operating,
    operations,
    registry,
)

from mrl_pg import MatryoshkaIndex
from mrl_pg.alembic import (
    CreateMatryoshkaIndexOp,
    DropMatryoshkaIndexOp,
    ResizeMatryoshkaIndexOp,
)
from mrl_pg.errors import InvalidSetting
from mrl_pg.sqlalchemy import Matryoshka, indexes_of, register

FOUR = MatryoshkaIndex("docs", "embedding", dims=4)
TWO = MatryoshkaIndex("docs", "embedding", dims=2)
MADE = "docs (id int primary key, embedding vector(8))"
BESIDE = pytest.mark.parametrize(
    "beside", [False, True], ids=["locked", "concurrently"]
)


@pytest.mark.parametrize("named", ["", "tenant"], ids=["default", "named"])
@BESIDE
def test_schemas_are_translated_as_for_alembics_own(
    beside: bool, named: str, database: str
) -> None:
    execute(database, "create schema one", f"create table {MADE}")
    execute(database, f"create table one.{MADE}")
    before = catalog(database)
    four, two = (replace(index, schema=named) for index in (FOUR, TWO))
    found = []
    with engine(database) as made:
        schemas = {named or None: "one"}
        translating = made.execution_options(schema_translate_map=schemas)
        with translating.connect() as connection:
            context = MigrationContext.configure(connection)
            with context.begin_transaction():
                for operation in (
                    CreateMatryoshkaIndexOp(four, beside),
                    ResizeMatryoshkaIndexOp(four, two, beside),
                    DropMatryoshkaIndexOp(two, beside),
                ):
                    Operations(context).invoke(operation)
                    rows = connection.exec_driver_sql(
                        "select table_name::text, dims from mrl.indexes"
                    )
                    found.append([tuple(row) for row in rows])
    assert found == [[("one.docs", 4)], [("one.docs", 2)], []]
    assert catalog(database) == before


@BESIDE
def test_a_drop_of_what_only_the_registry_forgot(
    beside: bool, database: str, caplog: pytest.LogCaptureFixture
) -> None:
    execute(database, f"create table {MADE}")
    before = catalog(database)
    with operating(database) as to:
        to.invoke(CreateMatryoshkaIndexOp(FOUR))
    execute(database, "delete from mrl._registry")
    for left in (True, False):
        caplog.clear()
        with (
            caplog.at_level(logging.WARNING, logger="mrl_pg"),
            operating(database) as to,
        ):
            to.invoke(DropMatryoshkaIndexOp(FOUR, beside))
        assert catalog(database) == before
        assert (f"no usable index {FOUR.name}" in caplog.text) is not left


@BESIDE
def test_a_resize_of_what_only_the_registry_forgot(beside: bool, database: str) -> None:
    execute(database, f"create table {MADE}")
    with operating(database) as to:
        to.invoke(CreateMatryoshkaIndexOp(TWO))
    wanted = catalog(database)
    with operating(database) as to:
        to.invoke(ResizeMatryoshkaIndexOp(TWO, FOUR))
    execute(database, "delete from mrl._registry")
    with operating(database) as to:
        to.invoke(ResizeMatryoshkaIndexOp(FOUR, TWO, beside))
    assert catalog(database) == wanted


def test_a_column_that_declares_a_short_one_brings_it(database: str) -> None:
    execute(database, "create schema app", "create table app.docs (id int primary key)")
    column = Column("embedding", VECTOR(8), Matryoshka(4), Matryoshka(8, kind="bit"))
    with operating(database) as to:
        to.add_column("docs", column, schema="app")
        to.add_column("docs", Column("other", VECTOR(8)), schema="app")
    assert [row[:3] for row in registry(database)] == [
        ("app.docs", "embedding_4_halfvec", 4),
        ("app.docs", "embedding_8_bit", 8),
    ]
    assert isinstance(ops.AddColumnOp("docs", column).reverse(), ops.DropColumnOp)


def test_a_batch_is_too_early_for_it(database: str) -> None:
    execute(database, f"create table {MADE}")
    before = catalog(database)
    column = Column("other", VECTOR(8), Matryoshka(4))
    with (
        pytest.raises(InvalidSetting, match=r"'other'.*op\.create_matryoshka_index"),
        operating(database) as to,
        to.batch_alter_table("docs") as batch,
    ):
        batch.add_column(column)
    assert catalog(database) == before


def test_a_renamed_full_column_is_followed(database: str, tmp_path: Path) -> None:
    project = Project(tmp_path, database)
    project.step(docs(Matryoshka(4)))
    ((_, _, _, _, _, name, *_),) = registry(database)
    number = f"select '{name}'::regclass::oid::int, pg_relation_filenode('docs')"
    built = execute(database, number)
    project.write(
        "op.alter_column('docs', 'embedding', new_column_name='full')",
        "op.alter_column('docs', 'full', new_column_name='embedding')",
    )
    project.upgrade()
    # another column has the old name by now
    execute(database, "alter table docs add embedding int")
    renamed = MetaData()
    Table(
        "docs",
        renamed,
        Column("id", Integer, primary_key=True),
        Column("full", VECTOR(8), Matryoshka(4, short="embedding_4_halfvec")),
        Column("embedding", Integer),
    )
    with engine(database) as made:
        metadata = MetaData()
        register(metadata)
        reflected = Table("docs", metadata, autoload_with=made)
        (index,) = indexes_of(reflected)
    assert (index.column, index.short) == ("full", "embedding_4_halfvec")
    written = project.step(renamed)
    assert operations(written) == ["create_matryoshka_index"]
    # entered under its new name, not built again
    assert execute(database, number) == built
    assert execute(database, "select full_column from mrl.indexes") == [("full",)]
    execute(database, "select mrl.search_sql('docs', 'full')")


@BESIDE
def test_a_renamed_full_column_can_be_dropped(beside: bool, database: str) -> None:
    execute(database, f"create table {MADE}")
    with operating(database) as to:
        to.invoke(CreateMatryoshkaIndexOp(FOUR))
    execute(database, 'alter table docs rename embedding to "full"')
    index = replace(FOUR, column="full")
    with operating(database) as to:
        to.invoke(DropMatryoshkaIndexOp(index, beside))
    assert registry(database) == []
    columns = "select count(*) from pg_attribute where attname = 'embedding_4_halfvec'"
    assert execute(database, columns) == [(0,)]
