"""mrl_pg's revisions beside an application's own, by Alembic's real command."""

import re
from pathlib import Path

import psycopg
import pytest
from alembic.autogenerate import produce_migrations
from alembic.migration import MigrationContext
from alembic.operations import Operations, ops
from sqlalchemy import Connection, text
from support.installs import by_psql
from support.scratch import Project, docs, engine, execute, operations, registry
from support.scratch_app import App

from mrl_pg.sqlalchemy import Matryoshka, install

MODELS = """
from pgvector.sqlalchemy import VECTOR
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from mrl_pg.sqlalchemy import Matryoshka


class Base(DeclarativeBase):
    pass


class Doc(Base):
    __tablename__ = "docs"
    id: Mapped[int] = mapped_column(primary_key=True)
    embedding: Mapped[list[float]] = mapped_column(VECTOR(8){declared})
"""
PLAIN = MODELS.format(declared="")
DECLARED = MODELS.format(declared=", Matryoshka(4)")
MRL = "select to_regnamespace('mrl') is not null"
HEADS = "select version_num from alembic_version order by 1"


def test_as_a_branch_of_an_older_history(bare_database: str, tmp_path: Path) -> None:
    execute(bare_database, "create extension vector")
    app = App.start(tmp_path, bare_database)
    app.models(PLAIN)
    app.revise("upgrade head")
    # the history goes on, and now wants mrl_pg's revisions
    ini = app.folder / "alembic.ini"
    # called so since Alembic 1.16, version_path_separator before
    spaced = re.sub("path_separator = os.*", "path_separator = space", ini.read_text())
    both = "%(here)s/alembic/versions mrl_pg.migrations:versions"
    located = spaced.replace("[alembic]\n", f"[alembic]\nversion_locations = {both}\n")
    ini.write_text(located)
    app.alembic("upgrade mrl_pg@head")
    app.models(DECLARED)
    app.alembic(
        "revision --autogenerate -m r2 --rev-id r2 --head r1@head "
        "--depends-on mrl_0001 --version-path alembic/versions"
    )
    written = (app.folder / "alembic" / "versions" / "r2_r2.py").read_text()
    assert operations(written) == ["create_matryoshka_index"]
    app.alembic("upgrade heads", "check")
    assert registry(bare_database)[0][1] == "embedding_4_halfvec"
    app.alembic("downgrade r1", "downgrade mrl_pg@base")
    assert execute(bare_database, MRL) == [(False,)]
    assert execute(bare_database, HEADS) == [("r1",)]
    # on another database the dependency brings all that is needed
    execute(bare_database, "drop table docs, alembic_version")
    app.alembic("upgrade heads", "check")
    assert len(registry(bare_database)) == 1


def test_after_an_installation_by_psql(
    bare_database: str, pg_version: int, tmp_path: Path
) -> None:
    execute(bare_database, "create extension vector")
    by_psql(bare_database, pg_version, tmp_path)
    app = App.start(tmp_path, bare_database)
    app.models(DECLARED)
    written = app.revise("upgrade head", "check", "downgrade base")
    assert operations(written) == ["create_table", "create_matryoshka_index"]
    assert execute(bare_database, MRL) == [(True,)]


@pytest.mark.parametrize("driver", ["psycopg", "asyncpg"])
def test_an_asynchronous_environment(
    bare_database: str, tmp_path: Path, driver: str
) -> None:
    """With every operation, in a transaction and beside traffic."""
    app = App.start(
        tmp_path,
        bare_database,
        template="async",
        driver=driver,
        options="mrl_contract='at once', transaction_per_migration=True",
    )
    app.models(DECLARED)
    app.revise("upgrade head", "check")
    (row,) = registry(bare_database)
    app.edit("models.py", "Matryoshka(4)", "Matryoshka(3)")
    app.revise("upgrade head", "check")
    (resized,) = registry(bare_database)
    assert (row[2], resized[2]) == (4, 3)
    app.edit(
        "alembic/env.py",
        "_per_migration=True",
        "_per_migration=True, mrl_concurrently=True",
    )
    # the same names: built beside the old index, then renamed
    app.edit("models.py", "Matryoshka(3)", "Matryoshka(3, m=24)")
    written = app.revise("upgrade head", "check")
    assert "concurrently=True" in written
    (beside,) = registry(bare_database)
    assert (beside[5], int(beside[6]), beside[8]) == (resized[5], 24, True)
    app.alembic("downgrade base")
    assert execute(bare_database, MRL) == [(False,)]


@pytest.mark.parametrize("concurrently", [False, True], ids=["locked", "concurrently"])
def test_tenants_in_schemas_of_their_own(
    concurrently: bool, database: str, tmp_path: Path
) -> None:
    execute(database, "create schema one", "create schema two")
    tenant = ["one"]

    def path(connection: Connection) -> None:
        connection.execute(text(f"set search_path = {tenant[0]}, public"))
        connection.commit()
        connection.dialect.default_schema_name = tenant[0]

    options = {"mrl_concurrently": concurrently, "mrl_contract": "at once"}
    project = Project(tmp_path, database, before=path, options=options)

    def each() -> list[str]:
        return [f"{row[0]} {row[2]}" for row in registry(database)]

    for dims in (4, 2):
        tenant[0] = "one"
        project.revise(docs(Matryoshka(dims)))
        for tenant[0] in ("one", "two"):
            project.upgrade()
            project.check()
        assert each() == [f"one.docs {dims}", f"two.docs {dims}"]
    project.downgrade()
    assert each() == ["one.docs 2", "two.docs 4"]


def test_a_database_that_create_all_made_and_alembic_takes_over(
    bare_database: str, tmp_path: Path
) -> None:
    execute(bare_database, "create extension vector")
    with engine(bare_database) as made, made.begin() as connection:
        install(connection)
        docs(Matryoshka(4)).create_all(connection)
    project = Project(tmp_path, bare_database, docs(Matryoshka(4)))
    project.check()
    text = project.there_and_back(docs(Matryoshka(2)))
    assert operations(text) == ["create_matryoshka_index"]


def test_operations_run_without_a_file(database: str) -> None:
    """As Alembic's cookbook does: what autogenerate finds, invoked at once."""
    metadata = docs(Matryoshka(4))
    with engine(database) as made, made.connect() as connection:
        context = MigrationContext.configure(connection)
        script = produce_migrations(context, metadata)
        assert script.upgrade_ops is not None
        with context.begin_transaction():
            stack: list[ops.MigrateOperation] = [script.upgrade_ops]
            while stack:
                operation = stack.pop(0)
                if isinstance(operation, ops.OpContainer):
                    stack[:0] = operation.ops
                else:
                    Operations(context).invoke(operation)
        found = produce_migrations(context, metadata).upgrade_ops
        assert found is not None and found.is_empty()
    assert len(registry(database)) == 1
    with psycopg.connect(database) as conn:
        assert conn.execute("select count(*) from docs").fetchone() == (0,)
