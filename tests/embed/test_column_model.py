"""The model of a column: kept in the registry, compared, and written by its owner."""

from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import errors
from support.databases import Conn, connect

from mrl_pg import MatryoshkaColumn, MatryoshkaIndex, install, uninstall
from mrl_pg.embed import (
    DemoModel,
    ProgramModel,
    embedder,
    load_texts,
    search,
    set_model,
    update_texts,
)
from mrl_pg.embed.column_model import is_same
from mrl_pg.embed.named import known_embedder
from mrl_pg.errors import (
    ColumnNotFound,
    InvalidSetting,
    ModelMismatch,
    NotInstalled,
    TableNotFound,
)

DOCS = MatryoshkaColumn("docs", "embedding")
KNOWN = "select full_column::text, model from mrl.column_models"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "texts.csv"
    path.write_text("id,text\n1,a large hairy spider\n2,a person who makes maps\n")
    return path


def known(conn: psycopg.Connection[Any]) -> list[Any]:
    return conn.execute(KNOWN.encode()).fetchall()


def test_the_model_is_kept_and_used_unasked(conn: Conn, file: Path) -> None:
    load_texts(conn, file, "docs", embedder=embedder("demo", dims=256))
    assert known(conn) == [("embedding", "demo:static-wordnet")]
    index = MatryoshkaIndex("docs", "embedding", dims=64)
    index.create(conn)
    for searched in (DOCS, index):
        assert search(conn, searched, "draw a map", k=1).keys == [2]
    row = conn.execute("select model from mrl.indexes").fetchone()
    assert row == ("demo:static-wordnet",)


def test_another_model_is_refused(conn: Conn, file: Path) -> None:
    load_texts(conn, file, "docs", embedder=DemoModel())
    other = ProgramModel("my_embed --key secret")
    message = r"docs.embedding was filled by demo:static-wordnet, and program:my_embed"
    for refused in (
        lambda: search(conn, DOCS, "a", embedder=other),
        lambda: load_texts(conn, file, "docs", embedder=other),
        lambda: update_texts(conn, file, "docs", embedder=other),
    ):
        with pytest.raises(ModelMismatch, match=message):
            refused()
    assert list(file.parent.glob("*.embedded")) == []
    set_model(conn, DOCS, None)
    assert known(conn) == []
    with pytest.raises(InvalidSetting, match=r"no model for docs\.embedding"):
        search(conn, DOCS, "a")


def test_vectors_of_an_unknown_model(conn: Conn, file: Path) -> None:
    conn.execute(
        "create table docs (id int primary key, embedding vector(512), text text)"
    )
    conn.execute("insert into docs values (7, array_fill(1, array[512])::vector, '')")
    report = load_texts(conn, file, "docs", embedder=DemoModel())
    assert "nobody said of which model" in str(report)
    assert known(conn) == []
    added = update_texts(
        *(conn, file, "docs"),
        embedder=DemoModel(),
        column="embedding_v2",
        add_column=True,
    )
    assert added.notes == ()
    assert known(conn) == [("embedding_v2", "demo:static-wordnet")]


def test_without_the_schema(conn: Conn, file: Path) -> None:
    uninstall(conn)
    report = load_texts(conn, file, "docs", embedder=DemoModel())
    assert "the schema mrl is not installed" in str(report)
    with pytest.raises(NotInstalled, match="mrl-pg install"):
        set_model(conn, DOCS, "demo")
    install(conn)
    set_model(conn, DOCS, "demo:static-wordnet")
    assert known(conn) == [("embedding", "demo:static-wordnet")]


def test_only_the_owner_says_it(conn: Conn, database: str, file: Path) -> None:
    conn.execute("create role guest_of_models login")
    try:
        conn.execute("create table docs (id int primary key, embedding vector(512))")
        conn.execute("alter table docs add column text text")
        conn.execute("grant select, insert on docs to guest_of_models")
        url = psycopg.conninfo.make_conninfo(database, user="guest_of_models")
        with connect(url) as guest:
            report = load_texts(guest, file, "docs", embedder=DemoModel())
            assert "only the table's owner may" in str(report)
            for statement in (
                "select mrl.set_model('docs', 'embedding', 'a')",
                "insert into mrl._column_models (entry, full_column) values (1, 'a')",
            ):
                with pytest.raises(errors.InsufficientPrivilege):
                    guest.execute(statement.encode())
            set_model(conn, DOCS, "demo:static-wordnet")
            assert known(guest) == [("embedding", "demo:static-wordnet")]
            changed = guest.execute("update mrl._own_models set model = 'b'")
            assert changed.rowcount == 0
    finally:
        conn.execute("drop owned by guest_of_models")
        conn.execute("drop role guest_of_models")


def test_names_in_sql(conn: Conn, file: Path) -> None:
    load_texts(conn, file, "docs", embedder=DemoModel())
    for column, model, error in (
        ("embedding", "", errors.InvalidParameterValue),
        ("embedding", "x" * 201, errors.InvalidParameterValue),
        ("nothing", "x", errors.UndefinedColumn),
        ("text", "x", errors.DatatypeMismatch),
    ):
        with pytest.raises(error):
            conn.execute("select mrl.set_model('docs', %s, %s)", [column, model])
    conn.execute("alter table docs add column other vector(3)")
    set_model(conn, MatryoshkaColumn("docs", "other"), "x")
    conn.execute("alter table docs drop column embedding")
    conn.execute("select mrl.set_model('docs', 'other', 'y')")
    assert known(conn) == [("other", "y")]
    kept = conn.execute("select full_column::text from mrl._column_models").fetchall()
    assert kept == [("other",)]
    conn.execute("drop table docs")
    assert known(conn) == []


def test_a_table_that_is_not_there(conn: Conn) -> None:
    for missing in (TableNotFound, ColumnNotFound):
        with pytest.raises(missing):
            set_model(conn, DOCS, "x")
        with pytest.raises(missing):
            search(conn, DOCS, "a")
        conn.execute("create table if not exists docs (id int primary key)")


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("openai:text-embedding-3-small", "program:text-embedding-3-small", True),
        ("openai:nomic-embed-text:v1.5", "program:nomic-embed-text-v1.5", True),
        ("openai:text-embedding-3-small", "openai:text-embedding-3-large", False),
        ("program:a", "openai:a", False),
        ("demo:static-wordnet", "demo:static-wordnet", True),
    ],
)
def test_two_names_of_one_model(one: str, other: str, same: bool) -> None:
    assert is_same(one, other) is same


def test_what_the_registry_may_open(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    small = known_embedder("openai:text-embedding-3-small", 512)
    assert small.dims == 512
    assert known_embedder("openai:text-embedding-3-small", 1536).dims is None
    assert known_embedder("demo:static-wordnet", 512).dims is None
    for name in (
        "program:rm",
        "touch /tmp/x",
        "sentence-transformers:/tmp/model",
        "sentence-transformers:someone/unknown",
    ):
        with pytest.raises(InvalidSetting, match="not run unasked"):
            known_embedder(name, 8)
