"""A library in SQLAlchemy's models, its rows, and checks of its searches."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from pgvector.sqlalchemy import VECTOR
from psycopg import sql
from psycopg.types.json import Jsonb
from sqlalchemy import (
    Column,
    Engine,
    ForeignKey,
    Table,
    create_engine,
    event,
    func,
    select,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, relationship

from mrl_pg.sqlalchemy import Matryoshka, indexes_of, register
from support.databases import Conn, Server, connect
from support.plans import first_pass
from support.reused import creator
from support.sql_state import SETTINGS
from support.vectors import Vectors, distances, matryoshka

ROWS, DIMS = 3000, 64
AUTHORS, TOPICS = 40, 12
LANGUAGES = ("de", "en", "fr")
SESSION = ["77", "strict_order", "12345", "1.5"]
"""Settings of every session, unlike the defaults and unlike those of a search."""


class Base(DeclarativeBase):
    """The library's own registry of tables."""


class Author(Base):
    __tablename__ = "authors"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    country: Mapped[str]
    docs: Mapped[list["Doc"]] = relationship(back_populates="author")


doc_topics = Table(
    "doc_topics",
    Base.metadata,
    Column("doc_id", ForeignKey("docs.id"), primary_key=True),
    Column("topic_id", ForeignKey("topics.id"), primary_key=True),
)


class HasLanguage:
    lang: Mapped[str] = mapped_column()


class Doc(HasLanguage, Base):
    """Row i has author i % 40 + 1, language i % 3 and i % 4 tags."""

    __tablename__ = "docs"
    id: Mapped[int] = mapped_column(primary_key=True)
    n: Mapped[int]
    title: Mapped[str]
    meta: Mapped[dict[str, Any]] = mapped_column(JSONB)
    author_id: Mapped[int] = mapped_column(ForeignKey("authors.id"))
    embedding: Mapped[Any] = mapped_column(
        VECTOR(DIMS), Matryoshka(32), Matryoshka(16, kind="vector")
    )
    author: Mapped[Author] = relationship(back_populates="docs")
    tags: Mapped[list["Tag"]] = relationship(back_populates="doc", order_by="Tag.id")
    topics: Mapped[list["Topic"]] = relationship(secondary=doc_topics)


class Tag(Base):
    __tablename__ = "tags"
    id: Mapped[int] = mapped_column(primary_key=True)
    doc_id: Mapped[int] = mapped_column(ForeignKey("docs.id"), index=True)
    name: Mapped[str]
    doc: Mapped[Doc] = relationship(back_populates="tags")


class Topic(Base):
    __tablename__ = "topics"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]


INDEX, SMALL = (index.name for index in indexes_of(Doc))


def author_of(row: int) -> int:
    return row % AUTHORS + 1


def tags_of(row: int) -> list[str]:
    return [f"tag {(row // 4 + place) % 10}" for place in range(row % 4)]


def topics_of(row: int) -> list[int]:
    return sorted({row % TOPICS + 1, row // TOPICS % TOPICS + 1})


def lang_of(row: int) -> str:
    return LANGUAGES[row % 3]


# ------------------------------------------------------------------ a database of it


@dataclass(frozen=True, slots=True)
class Library:
    """A database of the library, and an engine whose plans must use the index."""

    url: str
    engine: Engine
    vectors: Vectors


@contextmanager
def fresh_library(server: Server, rows: int = ROWS) -> Iterator[Library]:
    """A library for a module whose tests change nothing in it."""
    vectors = matryoshka(rows)

    def build(url: str) -> None:
        engine = open_engine(url)
        Base.metadata.create_all(engine)
        engine.dispose()
        with connect(url) as conn:
            fill(conn, vectors)

    with server.copy_of(f"library_{rows}", build) as url:
        engine = open_engine(url)
        yield Library(url, engine, vectors)
        engine.dispose()


def library_fixture(rows: int = ROWS) -> Any:
    """A fixture: a library that all tests of a module only read."""

    @pytest.fixture(scope="module")
    def library(pg_server: Server) -> Iterator[Library]:
        with fresh_library(pg_server, rows) as library:
            yield library

    return library


def fill(conn: Conn, vectors: Vectors) -> None:
    rows = range(1, len(vectors) + 1)
    # Building an index over all rows is much faster than adding rows one by one.
    built = conn.execute(
        "select indexname, indexdef from pg_indexes where indexname = any (%s)",
        [[INDEX, SMALL]],
    ).fetchall()
    for name, _ in built:
        conn.execute(sql.SQL("drop index {}").format(sql.Identifier(name)))
    copy(
        conn,
        "authors (id, name, country)",
        ((i, f"author {i}", f"country {i % 5}") for i in range(1, AUTHORS + 1)),
    )
    copy(conn, "topics (id, name)", ((i, f"topic {i}") for i in range(1, TOPICS + 1)))
    copy(
        conn,
        "docs (id, n, title, lang, meta, author_id, embedding)",
        (
            (
                *(i, i % 100, f"title {i}", lang_of(i), Jsonb({"year": 1990 + i % 30})),
                *(author_of(i), str(vectors[i - 1].tolist())),
            )
            for i in rows
        ),
    )
    copy(
        conn,
        "tags (id, doc_id, name)",
        ((10 * i + p, i, n) for i in rows for p, n in enumerate(tags_of(i))),
    )
    copy(
        conn,
        "doc_topics (doc_id, topic_id)",
        ((i, t) for i in rows for t in topics_of(i)),
    )
    for _, definition in built:
        conn.execute(definition)
    conn.execute("analyze")


def copy(conn: Conn, into: str, rows: Iterator[tuple[Any, ...]]) -> None:
    with conn.cursor() as cursor, cursor.copy(f"copy {into} from stdin".encode()) as to:
        for row in rows:
            to.write_row(row)


def driver(url: str) -> str:
    """The same database for SQLAlchemy, by psycopg 3."""
    return url.replace("postgresql://", "postgresql+psycopg://", 1)


def open_engine(url: str, *, forced: bool = True, **options: Any) -> Engine:
    """An engine whose sessions have settings of their own."""
    options = {**creator(url), **options}
    return prepare(create_engine(driver(url), **options), forced=forced)


def prepare(engine: Engine, *, forced: bool = True) -> Engine:
    """Give each new connection its settings, and no cheap plan without the index."""
    register(engine)

    def connected(connection: Any, record: Any) -> None:
        cursor = connection.cursor()
        cursor.execute("select '[1]'::vector")  # loads the library that knows them
        for name, value in zip(SETTINGS, SESSION, strict=True):
            cursor.execute("select set_config(%s, %s, false)", [name, value])
        for way in ("seqscan", "bitmapscan", "sort") if forced else ():
            cursor.execute(f"set enable_{way} = off")
        cursor.close()
        connection.commit()

    event.listen(engine, "connect", connected)
    return engine


# ------------------------------------------------------------------ what a Select did


@dataclass(slots=True)
class Sent:
    """Statements that an engine sends, with their parameters.

    `compiled` tells for each search if it was compiled; CACHE_HIT means it was not.
    """

    statements: list[tuple[str, Any]]
    compiled: list[str]

    @property
    def searches(self) -> list[tuple[str, Any]]:
        """The statements that search."""
        return [sent for sent in self.statements if "mrl_hits" in sent[0]]


@contextmanager
def sending(engine: Engine | AsyncEngine) -> Iterator[Sent]:
    """The statements that an engine sends in the block."""
    sent = Sent([], [])

    def hear(
        conn: Any,
        cursor: Any,
        statement: str,
        parameters: Any,
        context: Any,
        many: bool,
    ) -> None:
        sent.statements.append((statement, parameters))
        if "mrl_hits" in statement and context.compiled:
            sent.compiled.append(context.cache_hit.name)

    target = engine.sync_engine if isinstance(engine, AsyncEngine) else engine
    event.listen(target, "before_cursor_execute", hear)
    try:
        yield sent
    finally:
        event.remove(target, "before_cursor_execute", hear)


def explained(connection: Any, sent: tuple[str, Any]) -> dict[str, Any]:
    """The server's plan of a statement that was sent, as the root of a tree."""
    text, parameters = sent
    rows = connection.exec_driver_sql(
        "explain (costs off, format json) " + text, parameters
    )
    root: dict[str, Any] = rows.scalar_one()[0]["Plan"]
    return root


def settings(connection: Any) -> list[str]:
    """The four settings of pgvector that a search changes while it runs."""
    asked = [func.current_setting(name) for name in SETTINGS]
    return list(connection.execute(select(*asked)).one())


def ask(
    session: Session,
    statement: Any,
    values: Mapping[str, Any] | None = None,
    *,
    scans: Sequence[str] = (INDEX,),
    unique: bool = False,
) -> list[Any]:
    """Rows of a search; checks its plan and the settings that it leaves.

    `scans` are the indexes of its first passes, under one-time filters.
    """
    engine = session.get_bind()
    assert isinstance(engine, Engine)
    with sending(engine) as sent:
        result = session.execute(statement, values)
        # the ORM needs this if a collection is joined eagerly
        rows = [*(result.unique() if unique else result)]
    connection = session.connection()
    assert settings(connection) == SESSION
    (searched,) = sent.searches
    assert sorted(first_pass(explained(connection, searched))) == sorted(scans)
    return rows


# ------------------------------------------------------------------ exact answers


def exact(
    vectors: Vectors, query: Any, among: Collection[int] | None = None, k: int = 10
) -> list[int]:
    """Keys of the k rows in `among` that are nearest by cosine."""
    far = distances(vectors, query, "cosine")
    order = (int(i) + 1 for i in np.argsort(far, kind="stable"))
    allowed = None if among is None else set(among)
    return [key for key in order if allowed is None or key in allowed][:k]


def rows_where(condition: Callable[[int], bool]) -> list[int]:
    """Keys of the rows whose number meets a condition."""
    return [row for row in range(1, ROWS + 1) if condition(row)]
