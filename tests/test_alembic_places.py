"""Operations where Alembic's own would work, and on what the registry does not know."""

import logging
from dataclasses import replace

import pytest
from alembic.migration import MigrationContext
from alembic.operations import Operations, ops
from pgvector.sqlalchemy import VECTOR
from scratch import catalog, engine, execute, operating, registry
from sqlalchemy import Column

from mrl_pg import MatryoshkaIndex
from mrl_pg.alembic import (
    CreateMatryoshkaIndexOp,
    DropMatryoshkaIndexOp,
    ResizeMatryoshkaIndexOp,
)
from mrl_pg.errors import InvalidSetting
from mrl_pg.sqlalchemy import Matryoshka

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
    with operating(database) as operations:
        operations.invoke(CreateMatryoshkaIndexOp(FOUR))
    execute(database, "delete from mrl.registry")
    for left in (True, False):
        caplog.clear()
        with (
            caplog.at_level(logging.WARNING, logger="mrl_pg"),
            operating(database) as operations,
        ):
            operations.invoke(DropMatryoshkaIndexOp(FOUR, beside))
        assert catalog(database) == before
        assert (f"no usable index {FOUR.name}" in caplog.text) is not left


@BESIDE
def test_a_resize_of_what_only_the_registry_forgot(beside: bool, database: str) -> None:
    execute(database, f"create table {MADE}")
    with operating(database) as operations:
        operations.invoke(CreateMatryoshkaIndexOp(TWO))
    wanted = catalog(database)
    with operating(database) as operations:
        operations.invoke(ResizeMatryoshkaIndexOp(TWO, FOUR))
    execute(database, "delete from mrl.registry")
    with operating(database) as operations:
        operations.invoke(ResizeMatryoshkaIndexOp(FOUR, TWO, beside))
    assert catalog(database) == wanted


def test_a_column_that_declares_a_short_one_brings_it(database: str) -> None:
    execute(database, "create schema app", "create table app.docs (id int primary key)")
    column = Column("embedding", VECTOR(8), Matryoshka(4), Matryoshka(8, kind="bit"))
    with operating(database) as operations:
        operations.add_column("docs", column, schema="app")
        operations.add_column("docs", Column("other", VECTOR(8)), schema="app")
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
        operating(database) as operations,
        operations.batch_alter_table("docs") as batch,
    ):
        batch.add_column(column)
    assert catalog(database) == before
