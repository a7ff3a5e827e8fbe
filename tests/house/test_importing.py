"""Importing mrl_pg changes nothing in other packages; only `register` does."""

import subprocess
import sys
from textwrap import dedent

import pytest
from pgvector.sqlalchemy import VECTOR
from sqlalchemy import Column, Integer, MetaData, Table, create_engine, event, select
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import Pool

from mrl_pg.errors import IndexNotFound, InvalidSetting
from mrl_pg.sqlalchemy import Matryoshka, declare, mismatch, register, search, vector

EVERYTHING = """
import importlib
import pkgutil
import sys

import alembic.command, alembic.op
import matplotlib, pgvector.sqlalchemy, psycopg, pyarrow, rich, typer
import sqlalchemy.ext.asyncio, sqlalchemy.orm
from alembic.autogenerate import comparators, renderers
from alembic.operations import BatchOperations, Operations
from sqlalchemy import Table, event
from sqlalchemy.engine import Engine
from sqlalchemy.event import registry
from sqlalchemy.pool import Pool


def state():
    adapters = psycopg.adapters
    return {
        "listeners of SQLAlchemy": sorted(map(repr, registry._key_to_collection)),
        "Operations": sorted(vars(Operations)),
        "BatchOperations": list(vars(BatchOperations).items()),
        "alembic.op": sorted(vars(alembic.op)),
        "add_column": (alembic.op.add_column, Operations.add_column),
        "what is carried out": list(Operations._to_impl._registry.items()),
        "comparators": str(comparators._registry),
        "renderers": list(renderers._registry.items()),
        "psycopg's dumpers": str(adapters._dumpers),
        "psycopg's loaders": str(adapters._loaders),
    }
"""

IMPORT_ALL = """
# has listeners of its own
import llama_index.core
import mrl_pg

before = state()
for found in pkgutil.walk_packages(mrl_pg.__path__, "mrl_pg."):
    if found.name.split(".")[1] not in ("sql", "migrations", "__main__"):
        importlib.import_module(found.name)
for name, value in state().items():
    if value != before[name]:
        print(name)
"""


def python(*parts: str) -> subprocess.CompletedProcess[str]:
    code = "\n".join(map(dedent, parts))
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )


def test_importing_every_module_changes_nothing_in_others() -> None:
    done = python(EVERYTHING, IMPORT_ALL)
    assert (done.stdout, done.returncode) == ("", 0), done.stderr


def test_the_test_sees_what_register_changes() -> None:
    done = python(
        EVERYTHING,
        """
        before = state()
        import mrl_pg.alembic, mrl_pg.sqlalchemy
        mrl_pg.alembic.register()
        mrl_pg.sqlalchemy.register()
        after = state()
        print(*[name for name in before if before[name] != after[name]], sep=", ")
        mrl_pg.alembic.register()
        mrl_pg.sqlalchemy.register()
        assert state() == after
        """,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == (
        "listeners of SQLAlchemy, Operations, BatchOperations, alembic.op, "
        "add_column, what is carried out, comparators, renderers"
    )


def test_an_engine_alone() -> None:
    mine, async_one, other = (
        create_engine("postgresql+psycopg://"),
        create_async_engine("postgresql+psycopg://"),
        create_engine("postgresql+psycopg://"),
    )
    for _ in range(2):
        register(mine, async_one)
    for engine in (mine, async_one.sync_engine):
        assert event.contains(engine, "handle_error", mismatch._handle_error)
        assert list(engine.pool.dispatch.checkout).count(vector._teach) == 1
    assert vector._teach not in list(other.pool.dispatch.checkout)
    assert not event.contains(Pool, "checkout", vector._teach)


@pytest.mark.parametrize("given", ["postgresql://", Table("docs", MetaData()), None])
def test_what_cannot_be_listened_on(given: object) -> None:
    with pytest.raises(InvalidSetting, match="register takes engines and MetaData"):
        register(given)  # type: ignore[arg-type]


def test_a_table_makes_what_it_declares_without() -> None:
    declared = Column("embedding", VECTOR(8), Matryoshka(4))
    table = Table("docs", MetaData(), Column("id", Integer, primary_key=True), declared)
    assert makers(table) == 1
    copied = table.to_metadata(MetaData())
    assert makers(copied) == 1
    assert makers(Table("plain", MetaData(), Column("id"))) == 0


def makers(table: Table) -> int:
    """The table's own listeners that make short columns after it is created.

    They are counted by table, because another test of this
    process may have registered for every table.
    """
    return [*table.dispatch.after_create].count(declare._after_create)


def test_a_search_of_a_reflected_table_says_whom_to_call() -> None:
    reflected = Table(
        "docs",
        MetaData(),
        Column("id", Integer, primary_key=True),
        Column("embedding", VECTOR(8)),
    )
    with pytest.raises(IndexNotFound, match=r"call mrl_pg\.sqlalchemy\.register"):
        search(select(reflected.c.id), reflected.c.embedding, [1.0] * 8)


def test_alembics_operations_say_whom_to_call() -> None:
    done = python(
        """
        from alembic.operations import Operations
        from alembic.runtime.migration import MigrationContext
        from pgvector.sqlalchemy import VECTOR
        from sqlalchemy import Column
        from mrl_pg.alembic import op
        from mrl_pg.errors import InvalidSetting
        from mrl_pg.sqlalchemy import Matryoshka

        offline = MigrationContext.configure(
            dialect_name="postgresql", opts={"as_sql": True}
        )
        column = Column("embedding", VECTOR(8), Matryoshka(4))
        for ask in (
            lambda: op.create_matryoshka_index("docs", "embedding", dims=4),
            lambda: op.install_mrl(),
            lambda: Operations(offline).add_column("docs", column),
        ):
            try:
                ask()
            except InvalidSetting as error:
                print(error)
        """
    )
    assert done.stdout.splitlines() == [
        "Alembic does not know op.create_matryoshka_index yet: call "
        "mrl_pg.alembic.register() in env.py",
        "Alembic does not know op.install_mrl yet: call mrl_pg.alembic.register() in "
        "env.py",
        "op.add_column would leave out what Matryoshka(4, kind='halfvec', "
        "distance='cosine') declares: call mrl_pg.alembic.register() in env.py",
    ], done.stderr
