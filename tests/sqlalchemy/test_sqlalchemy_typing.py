"""Ordinary code of a user, which mypy --strict accepts without a plugin.

mypy reads it with the other tests, and `assert_type` fails there; running it shows
that the code is true as well.
"""

import asyncio
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import pytest
from pgvector.sqlalchemy import HALFVEC, VECTOR
from sqlalchemy import (
    Column,
    Engine,
    Integer,
    MetaData,
    Select,
    Table,
    bindparam,
    insert,
    select,
)
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column
from support.plans import first_pass
from support.search_models import driver, explained, open_engine, prepare, sending
from support.vectors import matryoshka, nearest

from mrl_pg import MatryoshkaIndex
from mrl_pg.sqlalchemy import Matryoshka, distance, indexes_of, search, seen

if TYPE_CHECKING:
    from typing_extensions import assert_type
else:

    def assert_type(value: Any, kind: Any) -> Any:
        return value


Embedding = Annotated[Sequence[float], mapped_column(HALFVEC(64), Matryoshka(16))]
VECTORS = matryoshka(300)


class Base(DeclarativeBase):
    pass


class Doc(Base):
    __tablename__ = "docs"
    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str]
    embedding: Mapped[Sequence[float]] = mapped_column(
        VECTOR(64), Matryoshka(32, kind="halfvec", distance="cosine")
    )
    other: Mapped[Embedding | None]


table = Table(
    "core",
    MetaData(),
    Column("id", Integer, primary_key=True),
    Column("embedding", VECTOR(64), Matryoshka(32), Matryoshka(8, kind="bit")),
)


def titles(session: Session, query: Sequence[float]) -> list[tuple[str, float]]:
    found: list[tuple[str, float]] = []
    stmt = search(select(Doc, distance), Doc.embedding, query, k=3)
    for doc, far in session.execute(stmt):
        found.append((doc.title, far))
    return found


def numbers(session: Session, query: Sequence[float]) -> list[int]:
    stmt = search(select(table.c.id, distance, seen), table.c.embedding, query)
    return [key for key, _, count in session.execute(stmt.limit(3)) if count > 0]


def entities(session: Session, query: Sequence[float]) -> Sequence[Doc]:
    stmt = search(select(Doc).where(Doc.title != ""), Doc.embedding, query, k=3)
    found = session.scalars(stmt).all()
    assert_type(found, Sequence[Doc])
    return found


async def keys(session: AsyncSession, query: Sequence[float]) -> list[int]:
    stmt = search(select(Doc.id), Doc.other, query, k=3, candidates=100)
    found: list[int] = []
    for key in (await session.execute(stmt)).scalars():
        assert_type(key, int)
        found.append(key)
    return found


def statements() -> None:
    """`search` answers the Select that it was given, with its type; never called."""
    doc = search(select(Doc), Doc.embedding, bindparam("query"))
    assert_type(doc, Select[Doc])
    assert_type(doc.where(Doc.id > 1).order_by(None), Select[Doc])
    assert_type(search(select(Doc.id, Doc.title), Doc.embedding, []), Select[int, str])
    assert_type(indexes_of(Doc), tuple[MatryoshkaIndex, ...])


@pytest.fixture
def engine(database: str) -> Iterator[Engine]:
    engine = open_engine(database)
    Base.metadata.create_all(engine)
    table.create(engine)
    with Session(engine) as session:
        session.add_all(
            Doc(id=i, title=f"title {i}", embedding=row, other=row)
            for i, row in enumerate(VECTORS.tolist(), 1)
        )
        rows = [{"id": i, "embedding": row} for i, row in enumerate(VECTORS, 1)]
        session.execute(insert(table), rows)
        session.commit()
    yield engine
    engine.dispose()


def test_what_is_typed_is_true(engine: Engine, database: str) -> None:
    query = VECTORS[5].tolist()
    truth = nearest(VECTORS, query, 3)
    with Session(engine) as session, sending(engine) as sent:
        found = titles(session, query)
        assert [title for title, _ in found] == [f"title {key}" for key in truth]
        assert all(type(far) is float for _, far in found)
        assert numbers(session, query) == truth
        assert [doc.id for doc in entities(session, query)] == truth
        plans = [explained(session.connection(), search) for search in sent.searches]
    names = [index.name for index in (*indexes_of(Doc), *indexes_of(table))]
    wanted = [names[0], names[2], names[0]]
    assert [first_pass(plan) for plan in plans] == [[name] for name in wanted]

    async def run() -> None:
        target = create_async_engine(driver(database))
        prepare(target.sync_engine)
        async with AsyncSession(target) as session:
            with sending(target) as sent:
                assert await keys(session, query) == truth
            connection = await session.connection()
            plan = await connection.run_sync(explained, sent.searches[0])
            assert first_pass(plan) == [names[1]]
        await target.dispose()

    asyncio.run(run())
