"""A Select made a search by words, or fused with one by vectors."""

import asyncio
from collections.abc import Iterator
from typing import Any, cast

import pytest
from pgvector.sqlalchemy import VECTOR
from sqlalchemy import (
    Column,
    Engine,
    ForeignKey,
    MetaData,
    String,
    Table,
    Text,
    bindparam,
    create_engine,
    func,
    select,
)
from sqlalchemy.dialects.postgresql import TSVECTOR
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, aliased, mapped_column
from support.databases import Server, connect
from support.plans import first_pass, indexes
from support.search_models import explained, sending
from support.tables import Docs
from support.vectors import matryoshka
from support.words import allow_both, by_words, make_worded

from mrl_pg import MatryoshkaIndex
from mrl_pg.errors import InvalidSetting, InvalidStatement, MrlError, NoPrimaryKey
from mrl_pg.sqlalchemy import (
    Matryoshka,
    distance,
    hybrid,
    index_name,
    score,
    search_words,
    seen,
    vector_rank,
    word_rank,
)

ROWS = 1200
QUERY = matryoshka(1, seed=9)[0]


class Base(DeclarativeBase):
    """Tables of these tests."""


class Doc(Base):
    __tablename__ = "docs"
    id: Mapped[int] = mapped_column(primary_key=True)
    n: Mapped[int]
    title: Mapped[str]
    code: Mapped[str] = mapped_column(String(200))
    terms: Mapped[Any] = mapped_column(TSVECTOR)
    embedding: Mapped[Any] = mapped_column(VECTOR(64), Matryoshka(32))


class Note(Base):
    __tablename__ = "notes"
    id: Mapped[int] = mapped_column(primary_key=True)
    doc_id: Mapped[int] = mapped_column(ForeignKey("docs.id"))


@pytest.fixture(scope="module")
def docs(pg_server: Server) -> Iterator[Docs]:
    index = MatryoshkaIndex("docs", "embedding", dims=32)
    vectors = matryoshka(ROWS)
    with pg_server.fresh() as url, connect(url) as conn:
        make_worded(conn, vectors, index)
        allow_both(conn)
        conn.execute(
            "create table notes (id int primary key, doc_id int);"
            "insert into notes select id, id from docs where n < 50"
        )
        yield Docs(url, conn, vectors, index)


@pytest.fixture
def session(docs: Docs) -> Iterator[Session]:
    engine = create_engine(docs.url.replace("postgresql:", "postgresql+psycopg:", 1))
    with Session(engine) as session:
        for setting in ("enable_seqscan", "enable_sort"):
            session.execute(func.set_config(setting, "off", False).select())
        yield session
    engine.dispose()


ANSWERED = (score, distance, vector_rank, word_rank)


@pytest.mark.parametrize("match", ["any", "all"])
@pytest.mark.parametrize(
    ("text", "gin"), [("title", "title"), ("code", "code"), ("terms", "terms")]
)
def test_it_answers_as_the_index_does(
    docs: Docs, session: Session, text: str, gin: str, match: Any
) -> None:
    column, engine = getattr(Doc, text), cast("Engine", session.get_bind())
    for words in ("red unicorn", "green -cat or fish", "zebra"):
        wanted = docs.index.hybrid(docs.conn, QUERY, words, text=text, match=match)
        select_ = select(Doc.id, *ANSWERED, seen, index_name)
        statement = hybrid(
            select_, Doc.embedding, QUERY, words, text=column, match=match
        )
        with sending(engine) as sent:
            found = session.execute(statement).all()
        assert [row[:5] for row in found] == [
            (hit.key, hit.score, hit.distance, hit.vector_rank, hit.word_rank)
            for hit in wanted
        ]
        assert {row[5:] for row in found} == {(160, docs.index.name)}
        root = explained(session.connection(), sent.statements[-1])
        assert first_pass(root) == [docs.index.name]
        assert f"docs_{gin}" in indexes(root)
        alone = docs.index.search_words(docs.conn, words, text=text, match=match, k=7)
        by_words = search_words(
            select(Doc.id, *ANSWERED), column, words, match=match, k=7
        )
        with sending(engine) as sent:
            ranked = session.execute(by_words).all()
        assert [tuple(row) for row in ranked] == [
            (hit.key, hit.score, None, None, hit.word_rank) for hit in alone
        ]
        root = explained(session.connection(), sent.statements[-1])
        assert f"docs_{gin}" in indexes(root)


def test_filters_joins_and_aliases(docs: Docs, session: Session) -> None:
    wanted = docs.index.hybrid(
        docs.conn, QUERY, "blue fish", text="title", filter="n < 50", candidates=300
    )
    D = aliased(Doc)
    few: dict[str, Any] = {"text": Doc.title, "candidates": 300}
    statements = [
        hybrid(select(Doc).where(Doc.n < 50), Doc.embedding, QUERY, "blue fish", **few),
        hybrid(
            select(Doc).join(Note, Note.doc_id == Doc.id),
            Doc.embedding,
            QUERY,
            "blue fish",
            **few,
        ),
        hybrid(
            select(D).where(D.n < 50),
            D.embedding,
            QUERY,
            "blue fish",
            text=D.title,
            candidates=300,
        ),
    ]
    for statement in statements:
        found = session.scalars(statement).all()
        assert [doc.id for doc in found] == wanted.keys
    worded = by_words(docs.conn, "blue fish", filter="n < 50", fetch=10)
    for statement in (
        search_words(select(Doc).where(Doc.n < 50), Doc.title, "blue fish"),
        search_words(select(D).where(D.n < 50), D.title, "blue fish"),
        search_words(
            select(Doc).join(Note, Note.doc_id == Doc.id), Doc.title, "blue fish"
        ),
    ):
        assert [doc.id for doc in session.scalars(statement)] == worded
    counted = search_words(select(func.count()).select_from(Doc), Doc.title, "unicorn")
    assert session.scalar(counted) == 10


def test_words_and_query_are_given_later(docs: Docs, session: Session) -> None:
    statement = hybrid(
        select(Doc.id),
        Doc.embedding,
        bindparam("query"),
        bindparam("words"),
        text=Doc.title,
        weights=(1, 0.5),
        rank_constant=10,
        fetch=80,
        k=5,
    )
    for words in ("red dog", "green or blue", 'it\'s "100%" :odd'):
        wanted = docs.index.hybrid(
            docs.conn,
            QUERY,
            words,
            text="title",
            weights=(1, 0.5),
            rank_constant=10,
            fetch=80,
            k=5,
        )
        values = {"query": QUERY, "words": words}
        assert [*session.scalars(statement, values)] == wanted.keys


@pytest.mark.parametrize("driver", ["psycopg", "asyncpg"])
def test_async(docs: Docs, driver: str) -> None:
    wanted = docs.index.hybrid(docs.conn, QUERY, "red dog", text="title")
    alone = docs.index.search_words(docs.conn, "red dog", text="title")

    async def ask() -> tuple[list[int], list[int]]:
        url = docs.url.replace("postgresql:", f"postgresql+{driver}:", 1)
        engine = create_async_engine(url)
        try:
            async with engine.connect() as conn:
                both = hybrid(
                    select(Doc.id), Doc.embedding, QUERY, "red dog", text=Doc.title
                )
                words = search_words(select(Doc.id), Doc.title, "red dog")
                found = [*(await conn.scalars(both))]
                return found, [*(await conn.scalars(words))]
        finally:
            await engine.dispose()

    assert asyncio.run(ask()) == (wanted.keys, alone.keys)


class Bare(Base):
    __tablename__ = "bare"
    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str]


BAD: list[tuple[dict[str, Any], type[MrlError], str]] = [
    ({"text": Bare.title}, InvalidStatement, "is no column of docs"),
    ({"text": "title"}, InvalidStatement, "is no column of docs"),
    ({"text": Doc.n}, InvalidSetting, "of type text, varchar or TSVECTOR"),
    ({"words": None}, InvalidSetting, "words=None is not text"),
    ({"match": "some"}, InvalidSetting, "match='some'"),
    ({"weights": (0, 0)}, InvalidSetting, "no half that counts"),
    ({"recall": 0.9}, InvalidSetting, "a hybrid Select takes none"),
    ({"fetch": 3}, InvalidSetting, "fetch=3 is below k=10"),
]


@pytest.mark.parametrize(("options", "error", "message"), BAD)
def test_bad_input_is_refused(
    options: dict[str, Any], error: type[MrlError], message: str
) -> None:
    given: dict[str, Any] = {"text": Doc.title, "words": "red"} | options
    words = given.pop("words")
    with pytest.raises(error, match=message):
        hybrid(select(Doc), Doc.embedding, QUERY, words, **given)
    with pytest.raises(InvalidStatement, match="limit already"):
        search_words(select(Doc).limit(3), Doc.title, "red")
    with pytest.raises(InvalidSetting, match="k=0"):
        search_words(select(Doc), Doc.title, "red", k=0)


def test_a_table_without_a_key() -> None:
    table = Table("keyless", MetaData(), Column("title", Text))
    with pytest.raises(NoPrimaryKey, match="keyless has no primary key"):
        search_words(select(table), table.c.title, "red")
