"""Operations on a server: in a transaction and beside it, and the locks they take."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import alembic.op
import pytest
from sqlalchemy import text
from support.scratch import Project, catalog, execute, operating, registry

from mrl_pg import MatryoshkaIndex
from mrl_pg.alembic import (
    CreateMatryoshkaIndexOp,
    DropMatryoshkaIndexOp,
    ResizeMatryoshkaIndexOp,
)
from mrl_pg.errors import InvalidSetting
from mrl_pg.kinds import KEEPS, Keep

FOUR = MatryoshkaIndex("docs", "embedding", dims=4)
LOCKS = text(
    "select mode from pg_locks where relation = 'docs'::regclass "
    "and pid = pg_backend_pid()"
)
RESIZES = {
    "dims": MatryoshkaIndex("docs", "embedding", dims=2),
    "kind": MatryoshkaIndex("docs", "embedding", dims=4, kind="bit"),
    "distance": MatryoshkaIndex("docs", "embedding", dims=4, distance="l2"),
    "graph": MatryoshkaIndex("docs", "embedding", dims=4, m=8),
}


@pytest.fixture
def table(database: str) -> str:
    """A database with a table `docs` of a few rows."""
    execute(
        database,
        "create table docs (id int primary key, embedding vector(8))",
        "insert into docs select i, array_fill(i, array[8])::vector "
        "from generate_series(1, 9) as i",
    )
    return database


def locks(operation: Any, url: str) -> set[str]:
    """Locks on the table that a migration holds after an operation, and lets go."""
    with operating(url) as operations:
        operations.invoke(operation)
        return {mode for (mode,) in operations.get_bind().execute(LOCKS)}


def test_locks_are_those_that_the_docstrings_name(table: str) -> None:
    two = RESIZES["dims"]
    for operation in (
        CreateMatryoshkaIndexOp(FOUR),
        ResizeMatryoshkaIndexOp(FOUR, two),
        DropMatryoshkaIndexOp(two),
    ):
        assert "AccessExclusiveLock" in locks(operation, table)
        assert "ACCESS EXCLUSIVE" in lock_of(operation)
    for operation in (
        CreateMatryoshkaIndexOp(FOUR, concurrently=True),
        ResizeMatryoshkaIndexOp(FOUR, two, concurrently=True),
        DropMatryoshkaIndexOp(two, concurrently=True),
    ):
        assert "AccessExclusiveLock" not in locks(operation, table)
        assert "autocommit" in lock_of(operation)


def lock_of(operation: Any) -> str:
    """What the docstring of `op.…` says about locks."""
    kind = type(operation).__name__.removesuffix("MatryoshkaIndexOp").lower()
    documented: str = getattr(alembic.op, f"{kind}_matryoshka_index").__doc__
    return documented.split("Lock: ")[1]


@pytest.mark.parametrize("each", [False, True], ids=["one transaction", "one each"])
@pytest.mark.parametrize("own", [False, True], ids=["plain", "own block"])
def test_concurrently_in_a_revision(
    own: bool, each: bool, table: str, tmp_path: Path
) -> None:
    def concurrent(call: str) -> str:
        if not own:
            return call
        return f"with op.get_context().autocommit_block():\n        {call}"

    before = catalog(table)
    project = Project(tmp_path, table, options={"transaction_per_migration": each})
    create = "op.create_matryoshka_index('docs', 'embedding', dims=4, {})"
    drop = "op.drop_matryoshka_index('docs', 'embedding', dims=4, {})"
    resize = "op.resize_matryoshka_index('docs', 'embedding', {}, {}, {})"
    beside = "concurrently=True"
    project.write("op.execute('create table one ()')", "op.drop_table('one')")
    project.write(
        concurrent(create.format(beside)),
        concurrent(drop.format(beside)),
    )
    project.write(
        concurrent(resize.format("dims=2, m=8", "existing_dims=4", beside)),
        concurrent(resize.format("dims=4", "existing_dims=2, existing_m=8", beside)),
    )
    project.write("op.execute('create table two ()')", "op.drop_table('two')")
    project.upgrade()
    assert [row[2] for row in registry(table)] == [2]
    assert execute(table, "select version_num from alembic_version") == [("r4",)]
    project.downgrade("r2")
    assert [row[2] for row in registry(table)] == [4]
    project.downgrade("base")
    assert catalog(table) == before


def usable(url: str) -> Callable[[str], None]:
    """Watches that a usable index is there whenever a statement is about to run."""

    def watch(statement: str) -> None:
        assert any(row[-1] for row in registry(url)), f"no index before: {statement}"

    return watch


@pytest.mark.parametrize("keep", KEEPS)
@pytest.mark.parametrize("change", RESIZES)
def test_the_old_index_answers_until_the_new_one_is_there(
    change: str, keep: Keep, table: str
) -> None:
    old, new = (replace(index, keep=keep) for index in (FOUR, RESIZES[change]))
    rebuild = keep == "generated"
    with operating(table) as operations:
        operations.invoke(CreateMatryoshkaIndexOp(old))
    start = catalog(table)
    for operation in (
        ResizeMatryoshkaIndexOp(old, new, concurrently=True, rebuild=rebuild),
        ResizeMatryoshkaIndexOp(new, old, concurrently=True, rebuild=rebuild),
    ):
        with operating(table, watch=usable(table)) as operations:
            operations.invoke(operation)
        assert len(registry(table)) == 1
    assert catalog(table) == start


@pytest.mark.parametrize("change", RESIZES)
def test_a_resize_in_a_transaction_and_back(change: str, table: str) -> None:
    new = RESIZES[change]
    with operating(table) as operations:
        operations.invoke(CreateMatryoshkaIndexOp(FOUR))
    start = catalog(table)
    with operating(table) as operations:
        operations.invoke(ResizeMatryoshkaIndexOp(FOUR, new))
    ((_, short, *_, name, m, _, ok),) = registry(table)
    assert (short, name, int(m), ok) == (new.short, new.name, new.m, True)
    with operating(table) as operations:
        operations.invoke(ResizeMatryoshkaIndexOp(new, FOUR))
    assert catalog(table) == start


def test_concurrently_in_a_transaction_of_the_callers_is_refused(table: str) -> None:
    create = CreateMatryoshkaIndexOp(FOUR, concurrently=True)
    with (
        pytest.raises(InvalidSetting, match="a transaction that Alembic did not begin"),
        operating(table, begun=True) as operations,
    ):
        operations.invoke(create)
    assert registry(table) == []


def test_a_partitioned_table_is_worked_on_without_concurrently(database: str) -> None:
    execute(
        database,
        "create table docs (id int primary key, embedding vector(8)) "
        "partition by range (id)",
        "create table docs_1 partition of docs for values from (0) to (10)",
        "insert into docs values (1, '[1,2,3,4,5,6,7,8]')",
    )
    before = catalog(database)
    two = RESIZES["dims"]
    for operation in (
        CreateMatryoshkaIndexOp(FOUR, concurrently=True),
        ResizeMatryoshkaIndexOp(FOUR, two, concurrently=True),
        DropMatryoshkaIndexOp(two, concurrently=True),
    ):
        with operating(database) as operations:
            operations.invoke(operation)
    assert catalog(database) == before


@pytest.mark.parametrize("concurrently", [False, True])
def test_an_index_of_that_name_of_another_table_stays(
    concurrently: bool, table: str
) -> None:
    execute(
        table,
        "create table other (id int)",
        f"create index {FOUR.name} on other (id)",
    )
    before = catalog(table)
    with operating(table) as operations:
        operations.invoke(DropMatryoshkaIndexOp(FOUR, concurrently))
    assert catalog(table) == before
