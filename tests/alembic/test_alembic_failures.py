"""Operations that broke off at any statement, and are run again."""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy.exc import OperationalError
from support.scratch import (
    Catalog,
    Project,
    catalog,
    execute,
    forget_session,
    operating,
    registry,
)

from mrl_pg import MatryoshkaIndex
from mrl_pg.alembic import (
    CreateMatryoshkaIndexOp,
    DropMatryoshkaIndexOp,
    ResizeMatryoshkaIndexOp,
)
from mrl_pg.kinds import KEEPS

FOUR = MatryoshkaIndex("docs", "embedding", dims=4)
NEW = {
    "dims": MatryoshkaIndex("docs", "embedding", dims=2),
    "distance": MatryoshkaIndex("docs", "embedding", dims=4, distance="l2"),
    "graph": MatryoshkaIndex("docs", "embedding", dims=4, m=8),
    "all but the name": MatryoshkaIndex(
        "docs", "embedding", dims=2, kind="bit", name=FOUR.name
    ),
}
BROKEN_OFF: dict[str, tuple[list[Any], Any]] = {
    "create": ([], CreateMatryoshkaIndexOp(FOUR, concurrently=True)),
    "drop": (
        [CreateMatryoshkaIndexOp(FOUR)],
        DropMatryoshkaIndexOp(FOUR, concurrently=True),
    ),
    **{
        f"resize of {change}, {keep}": (
            [CreateMatryoshkaIndexOp(replace(FOUR, keep=keep))],
            ResizeMatryoshkaIndexOp(
                replace(FOUR, keep=keep),
                replace(new, keep=keep),
                concurrently=True,
                rebuild=keep == "generated",
            ),
        )
        for change, new in NEW.items()
        for keep in KEEPS
    },
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


CHANGES = re.compile(r"^\s*(alter|create|drop)\b|\bmrl\.(register|drop_index)\(")


class BrokenOffError(Exception):
    """As if the connection were gone."""


def breaking_off(after: int) -> Callable[[str], None]:
    """Raises in place of the statement after so many that change something."""
    left = [after]

    def watch(statement: str) -> None:
        if not CHANGES.search(statement):
            return
        left[0] -= 1
        if left[0] < 0:
            raise BrokenOffError

    return watch


def finish(url: str, operation: Any) -> Catalog:
    """Run an operation, and read what is there then."""
    with operating(url, one_session=True) as operations:
        operations.invoke(operation)
    return catalog(url, one_session=True)


def breaks_off(url: str, operation: Any, after: int) -> bool:
    """Whether an operation broke off after so many statements.

    Nothing of its session is left then, as if the connection were gone, but what the
    server process knows of the catalogs: a new process takes twice the time.
    """
    try:
        with operating(url, watch=breaking_off(after), one_session=True) as operations:
            operations.invoke(operation)
    except BrokenOffError:
        forget_session(url)
        return True
    return False


@pytest.mark.parametrize("what", BROKEN_OFF)
def test_what_broke_off_at_any_statement_is_finished(what: str, table: str) -> None:
    before, operation = BROKEN_OFF[what]
    for first in before:
        finish(table, first)
    start = catalog(table, one_session=True)
    wanted = finish(table, operation)
    assert wanted != start
    # run once more, as when a later operation of the revision fails
    assert finish(table, operation) == wanted
    assert finish(table, operation.reverse()) == start
    for statement in range(20):
        if not breaks_off(table, operation, statement):
            break
        found = finish(table, operation)
        assert found == wanted, f"broken off at {statement + 1}"
        assert finish(table, operation.reverse()) == start
    assert catalog(table, one_session=True) == wanted
    assert statement > 1


def test_a_concurrent_build_that_the_server_gave_up(table: str, tmp_path: Path) -> None:
    options = {"transaction_per_migration": True}
    project = Project(tmp_path, table, options=options, one_session=False)
    project.write(
        "op.create_matryoshka_index('docs', 'embedding', dims=4, concurrently=True)",
        "op.drop_matryoshka_index('docs', 'embedding', dims=4, concurrently=True)",
    )
    (column, *_) = execute(table, "select mrl.create_index_sql('docs', 'embedding', 4)")
    execute(table, column[0], "alter role current_user set statement_timeout = '500ms'")
    try:
        with psycopg.connect(table) as other:
            # the build waits for this transaction, and for no longer than that
            other.execute("update docs set id = 100 where id = 1")
            with pytest.raises(OperationalError, match="statement timeout"):
                project.upgrade()
    finally:
        execute(table, "alter role current_user reset statement_timeout")
    invalid = "select count(*) from pg_index where not indisvalid"
    assert execute(table, invalid) == [(1,)]
    assert registry(table) == []
    project.upgrade()
    assert execute(table, invalid) == [(0,)]
    assert [row[-1] for row in registry(table)] == [True]
    project.downgrade()
    assert registry(table) == []


@pytest.mark.parametrize("at_once", [False, True], ids=["one transaction", "one each"])
def test_a_revision_that_fails_leaves_nothing(
    at_once: bool, table: str, tmp_path: Path
) -> None:
    before = catalog(table)
    project = Project(tmp_path, table, options={"transaction_per_migration": at_once})
    project.write(
        "op.create_matryoshka_index('docs', 'embedding', dims=4)\n"
        "    op.resize_matryoshka_index(\n"
        "        'docs', 'embedding', dims=4, m=8, existing_dims=4)\n"
        "    op.install_mrl()\n"
        "    op.uninstall_mrl()\n"
        "    raise ZeroDivisionError"
    )
    with pytest.raises(ZeroDivisionError):
        project.upgrade()
    assert catalog(table) == before
