"""op.install_mrl and op.uninstall_mrl: on nothing, on the same, older, newer."""

import logging
from pathlib import Path

import psycopg
import pytest
from support.installs import by_psql
from support.installs import catalog as mrl
from support.next_release import NEXT, next_release
from support.scratch import Project, docs, execute, operating, operations, registry

from mrl_pg import MatryoshkaIndex
from mrl_pg.alembic import (
    CreateMatryoshkaIndexOp,
    DropMatryoshkaIndexOp,
    InstallMrlOp,
    ResizeMatryoshkaIndexOp,
    UninstallMrlOp,
)
from mrl_pg.errors import InvalidSetting, NotInstalled
from mrl_pg.installation import VERSION
from mrl_pg.sqlalchemy import Matryoshka

pytestmark = pytest.mark.every_version

FOUR = MatryoshkaIndex("docs", "embedding", dims=4)
MADE = "create table docs (id serial primary key, embedding vector(8))"


def install(url: str, version: str = VERSION, *, vector: bool = False) -> None:
    with operating(url) as operations:
        operations.invoke(InstallMrlOp(version, vector))


def test_on_nothing_it_brings_what_psql_brings(
    bare_database: str, database: str, pg_version: int
) -> None:
    install(bare_database, vector=True)
    assert mrl(bare_database) == mrl(database)
    with operating(bare_database) as operations:
        operations.invoke(InstallMrlOp(vector=True).reverse())
    assert execute(
        bare_database,
        "select to_regnamespace('mrl'), extname from pg_extension where extname = "
        "'vector'",
    ) == [(None, "vector")]


def test_what_psql_brought_is_left_alone(
    bare_database: str,
    pg_version: int,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    execute(bare_database, "create extension vector")
    by_psql(bare_database, pg_version, tmp_path)
    before = mrl(bare_database)
    with caplog.at_level(logging.WARNING, logger="mrl_pg"):
        install(bare_database)
    assert f"mrl_pg {VERSION} is there: {VERSION} is not" in caplog.text
    newer = "create or replace function mrl.version() returns text language sql "
    execute(bare_database, f"{newer} immutable parallel safe return '9.9.9'")
    caplog.clear()
    with caplog.at_level(logging.WARNING, logger="mrl_pg"):
        install(bare_database)
    assert "mrl_pg 9.9.9 is there" in caplog.text
    assert len(mrl(bare_database)["functions"]) == len(before["functions"])


@pytest.mark.parametrize(
    "operation",
    [
        CreateMatryoshkaIndexOp(FOUR),
        CreateMatryoshkaIndexOp(FOUR, concurrently=True),
        DropMatryoshkaIndexOp(FOUR),
        ResizeMatryoshkaIndexOp(FOUR, MatryoshkaIndex("docs", "embedding", dims=2)),
    ],
    ids=lambda operation: type(operation).__name__,
)
def test_a_missing_database_side_is_said_before_anything_changes(
    operation: CreateMatryoshkaIndexOp, bare_database: str
) -> None:
    execute(bare_database, "create extension vector", MADE)
    columns = "select attname from pg_attribute where attrelid = 'docs'::regclass"
    before = execute(bare_database, columns)
    with (
        pytest.raises(
            NotInstalled, match=r"mrl_pg is not installed.*op\.install_mrl\(\)"
        ),
        operating(bare_database) as operations,
    ):
        operations.invoke(operation)
    assert execute(bare_database, columns) == before


def test_an_upgrade_goes_back_to_what_was_there(database: str, tmp_path: Path) -> None:
    execute(database, MADE)
    with psycopg.connect(database) as conn:
        FOUR.create(conn)
    older, known = mrl(database), registry(database)
    with next_release(tmp_path / "next"):
        project = Project(tmp_path / "alembic", database)
        releases = f"'{NEXT}', existing_version='{VERSION}'"
        project.write(f"op.install_mrl({releases})", f"op.uninstall_mrl({releases})")
        for _ in range(2):
            project.upgrade()
            assert execute(database, "select mrl.version()") == [(NEXT,)]
            assert mrl(database) != older
            project.downgrade()
            assert registry(database) == known
            assert mrl(database) == older


@pytest.mark.parametrize("offline", [False, True])
def test_a_version_that_is_none_is_refused(
    offline: bool, database: str, tmp_path: Path
) -> None:
    project = Project(tmp_path, database)
    project.write("op.install_mrl('0.1.7')")
    with pytest.raises(InvalidSetting, match=r"version='0\.1\.7'.* has 0\.2\.0"):
        project.text("head") if offline else project.upgrade()
    with (
        pytest.raises(InvalidSetting, match="version='before'"),
        operating(database) as ops,
    ):
        ops.invoke(UninstallMrlOp(VERSION, existing_version="before"))


def test_uninstalling_leaves_short_columns_which_autogenerate_takes_up_again(
    database: str, tmp_path: Path
) -> None:
    project = Project(tmp_path, database)
    project.step(docs(Matryoshka(4)))
    known = registry(database)
    project.write("op.uninstall_mrl()", "op.install_mrl()")
    project.upgrade()
    text = project.step(docs(Matryoshka(4)))
    assert operations(text) == ["install_mrl", "create_matryoshka_index"]
    assert registry(database) == known
