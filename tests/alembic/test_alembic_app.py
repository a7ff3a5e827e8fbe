"""The life of an application with Alembic: its real command, from model to base."""

from pathlib import Path

import psycopg
from sqlalchemy import MetaData, Table, select, text
from support.plans import explain, first_pass, force_index, indexes
from support.scratch import catalog, engine, operations
from support.scratch_app import App
from support.vectors import matryoshka, nearest

from mrl_pg import MatryoshkaIndex
from mrl_pg.sqlalchemy import register, search

MODELS = """
from pgvector.sqlalchemy import VECTOR
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from mrl_pg.sqlalchemy import Matryoshka


class Base(DeclarativeBase):
    pass


class Doc(Base):
    __tablename__ = "docs"
    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str]
    embedding: Mapped[list[float]] = mapped_column(VECTOR(64), {declared})
"""
DIMS = 64
ROWS = matryoshka(300, dims=DIMS)


def insert(url: str) -> None:
    with psycopg.connect(url) as conn, conn.cursor() as cursor:
        with cursor.copy("copy docs (id, title, embedding) from stdin") as copy:
            for key, row in enumerate(ROWS, 1):
                copy.write_row((key, f"title {key}", str(row.tolist())))
        conn.execute("analyze docs")


def assert_found(url: str, index: MatryoshkaIndex) -> None:
    """Both interfaces search with this index, and answer what exact search answers."""
    query = ROWS[7]
    truth = nearest(ROWS, query, 5)
    with psycopg.connect(url, autocommit=True) as conn:
        force_index(conn)
        plan = index.plan(conn, query, k=5)
        assert first_pass(explain(conn, plan)) == [index.name]
        assert index.search(conn, query, k=5).keys == truth
    with engine(url) as made, made.connect() as connection:
        connection.execute(text("set enable_seqscan = off"))
        metadata = MetaData()
        register(metadata)
        docs = Table("docs", metadata, autoload_with=connection)
        statement = search(select(docs.c.id), docs.c.embedding, query, k=5)
        assert [key for (key,) in connection.execute(statement)] == truth
        compiled = str(
            statement.compile(connection, compile_kwargs={"literal_binds": True})
        )
        (plan_text,) = connection.exec_driver_sql(
            "explain (format json) " + compiled,
            execution_options={"no_parameters": True},
        ).one()
        assert index.name in indexes(plan_text[0]["Plan"])


def test_from_model_to_base(bare_database: str, tmp_path: Path) -> None:
    url = bare_database
    untouched = catalog(url)
    four = MatryoshkaIndex("docs", "embedding", dims=32)
    two = MatryoshkaIndex("docs", "embedding", dims=16, kind="vector", m=8)
    app = App.start(tmp_path, url, options="mrl_contract='at once'")

    app.models(MODELS.format(declared="Matryoshka(32)"))
    written = app.revise("upgrade head", "check")
    assert operations(written) == [
        "install_mrl",
        "create_table",
        "create_matryoshka_index",
    ]
    insert(url)
    assert_found(url, four)

    app.models(MODELS.format(declared="Matryoshka(16, kind='vector', m=8)"))
    failed = app.run("check")
    assert failed.returncode != 0
    assert "modify_matryoshka_index" in failed.stderr + failed.stdout
    written = app.revise("upgrade head", "check")
    assert operations(written) == ["resize_matryoshka_index"]
    assert_found(url, two)

    app.alembic("downgrade -1")
    assert_found(url, four)
    app.alembic("upgrade head", "check", "downgrade base")
    left = catalog(url)
    assert left.pop("extensions") == [*untouched.pop("extensions"), "('vector',)"]
    assert left == untouched


def test_from_model_to_base_on_a_table_in_use(database: str, tmp_path: Path) -> None:
    before = catalog(database)
    app = App.start(
        tmp_path,
        database,
        options="mrl_concurrently=True, transaction_per_migration=True, "
        "mrl_contract='at once'",
    )
    app.models(MODELS.format(declared="nullable=False"))
    app.revise("upgrade head")
    insert(database)
    for m in (16, 8):
        index = MatryoshkaIndex("docs", "embedding", dims=32, m=m)
        app.models(MODELS.format(declared=f"Matryoshka(32, m={m})"))
        assert "concurrently=True" in app.revise("upgrade head", "check")
        assert_found(database, index)
    app.alembic("downgrade base")
    assert catalog(database) == before


def test_the_written_types_are_imported(bare_database: str, tmp_path: Path) -> None:
    """A revision without anything of mrl_pg's runs by itself, too."""
    with psycopg.connect(bare_database) as conn:
        conn.execute("create extension vector")
    app = App.start(tmp_path, bare_database)
    app.models(MODELS.format(declared="nullable=True"))
    assert operations(app.revise()) == ["create_table"]
    app.edit("alembic/env.py", "import mrl_pg.alembic\n", "")
    app.edit("alembic/env.py", "mrl_pg.alembic.register()\n", "")
    app.models("from sqlalchemy.orm import declarative_base\nBase = declarative_base()")
    app.alembic("upgrade head", "downgrade base")
    assert catalog(bare_database)["columns"] == []
