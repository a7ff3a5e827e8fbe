"""Downgrades leave the database side that was there before their history."""

import logging
from pathlib import Path

import psycopg
import pytest
from support.installs import alembic, by_psql
from support.next_release import NEXT, next_release
from support.scratch import Project, execute, operating

from mrl_pg.alembic import InstallMrlOp, UninstallMrlOp
from mrl_pg.installation import VERSION

INSTALLED = "select to_regprocedure('mrl.version()') is not null"
COMMENT = "select obj_description('alembic_version'::regclass)"


def test_what_psql_brought_outlives_a_downgrade(
    bare_database: str,
    pg_version: int,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    execute(bare_database, "create extension vector")
    by_psql(bare_database, pg_version, tmp_path)
    project = Project(tmp_path / "alembic", bare_database)
    project.write("pass")
    project.write("op.install_mrl()", "op.uninstall_mrl()")
    project.upgrade("r1")
    execute(bare_database, "comment on table alembic_version is 'mine'")
    project.upgrade()
    # an upgrade by psql in between changes nothing
    by_psql(bare_database, pg_version, tmp_path)
    with caplog.at_level(logging.WARNING, logger="mrl_pg"):
        project.downgrade("r1")
    assert f"mrl_pg {VERSION} was there before" in caplog.text
    assert execute(bare_database, INSTALLED) == [(True,)]
    # and what the history brought itself goes with it
    execute(bare_database, "drop schema mrl cascade")
    project.upgrade()
    assert execute(bare_database, COMMENT) == [("mine",)]
    project.downgrade("r1")
    assert execute(bare_database, INSTALLED) == [(False,)]


def test_what_was_older_before_is_gone_back_to(
    bare_database: str, tmp_path: Path
) -> None:
    execute(bare_database, "create extension vector")
    with (
        next_release(tmp_path),
        operating(bare_database) as operations,
    ):
        context = operations.get_context()
        context._ensure_version_table()
        operations.invoke(InstallMrlOp(VERSION))
        # as psql had done that
        operations.invoke(InstallMrlOp(VERSION))
        operations.invoke(InstallMrlOp(NEXT))
        operations.invoke(UninstallMrlOp(NEXT))
    assert execute(bare_database, "select mrl.version()") == [(VERSION,)]


def test_mrl_pgs_own_revisions_leave_it_too(database: str, tmp_path: Path) -> None:
    for command in (("upgrade", "head"), ("downgrade", "base")):
        done = alembic(database, tmp_path, *command)
        assert done.returncode == 0, done.stderr
    assert execute(database, INSTALLED) == [(True,)]
    with psycopg.connect(database) as conn:
        assert conn.execute("select from mrl.calibrations").fetchall() == []
