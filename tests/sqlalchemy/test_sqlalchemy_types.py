"""Models with a short column in the ORM: values, loading, changing, sync and async."""

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from pgvector import HalfVector, Vector
from sqlalchemy import Engine, bindparam, delete, func, insert, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import Session, defer, undefer
from support.databases import Conn
from support.models import Base, Data, Doc, Later
from support.plans import first_pass
from support.search_models import ask, driver, explained, open_engine, prepare, sending
from support.sql_calls import one
from support.vectors import DIMS, matryoshka, nearest

from mrl_pg.sqlalchemy import distance, indexes_of, search

VECTORS = matryoshka(200)
INDEX = {model: indexes_of(model)[0].name for model in (Doc, Later, Data)}
SHORT = indexes_of(Doc)[0].short
SAME = f"{SHORT} = l2_normalize(subvector(embedding, 1, 32))::halfvec(32)"


@pytest.fixture
def engine(database: str) -> Iterator[Engine]:
    engine = open_engine(database)
    tables: Any = [Doc.__table__, Later.__table__]
    Base.metadata.create_all(engine, tables=tables)
    Data.metadata.create_all(engine)
    yield engine
    engine.dispose()


def values(model: Any = Doc, start: int = 1) -> list[dict[str, Any]]:
    return [{"id": i, "embedding": row} for i, row in enumerate(VECTORS, start)]


def assert_found(session: Session, model: Any = Doc, place: int = 7) -> None:
    """The two passes find what exact search does."""
    query = VECTORS[place]
    statement = search(select(model, distance), model.embedding, query, k=5)
    rows = ask(session, statement, scans=[INDEX[model]])
    assert [row.id for row, _ in rows] == nearest(VECTORS, query, 5)
    assert [near for _, near in rows] == sorted(near for _, near in rows)


def add_all(session: Session, model: Any) -> None:
    session.add_all(model(**row) for row in values())


def insert_each(session: Session, model: Any) -> None:
    for row in values():
        session.execute(insert(model).values(**row))


def insert_many(session: Session, model: Any) -> None:
    session.execute(insert(model).values(values()))


def insert_bulk(session: Session, model: Any) -> None:
    session.execute(insert(model), values())


def insert_returning(session: Session, model: Any) -> None:
    made = session.scalars(insert(model).returning(model), values()).all()
    assert len(made) == len(VECTORS)


def insert_upsert(session: Session, model: Any) -> None:
    zeros = [{"id": row["id"], "embedding": [1.0] * DIMS} for row in values()]
    session.execute(insert(model), zeros)
    new = upsert(model)
    session.execute(
        new.on_conflict_do_update(
            index_elements=["id"], set_={"embedding": new.excluded.embedding}
        ),
        values(),
    )


def insert_from_select(session: Session, model: Any) -> None:
    other = Later if model is Doc else Doc
    session.execute(insert(other), values())
    rows = select(other.id, other.embedding)
    session.execute(insert(model).from_select(["id", "embedding"], rows))


WAYS = [
    add_all,
    insert_each,
    insert_many,
    insert_bulk,
    insert_returning,
    insert_upsert,
    insert_from_select,
]


@pytest.mark.parametrize("model", [Doc, Later], ids=["vector", "halfvec"])
@pytest.mark.parametrize("way", WAYS)
def test_every_way_to_insert(
    engine: Engine, way: Callable[[Session, Any], None], model: Any
) -> None:
    with Session(engine) as session, sending(engine) as sent:
        way(session, model)
        session.flush()
        assert all(SHORT not in statement for statement, _ in sent.statements)
        assert_found(session, model)


@pytest.mark.parametrize(
    "made",
    [
        list,
        np.array,
        lambda row: np.array(row, dtype=np.float64),
        Vector,
        lambda row: HalfVector(row),
    ],
    ids=["list", "float32", "float64", "Vector", "HalfVector"],
)
def test_every_value(engine: Engine, made: Callable[[Any], Any]) -> None:
    model = Later if made([1.0]).__class__ is HalfVector else Doc
    with Session(engine) as session:
        session.add_all(
            model(id=i, embedding=made(row.tolist()))
            for i, row in enumerate(VECTORS, 1)
        )
        session.flush()
        assert_found(session, model)


def test_a_dataclass(engine: Engine) -> None:
    with Session(engine) as session:
        documents = [Data(embedding=row) for row in VECTORS]
        session.add_all(documents)
        session.flush()
        assert [document.id for document in documents] == [*range(1, 201)]
        assert_found(session, Data)


def test_the_short_column_is_no_attribute(engine: Engine) -> None:
    assert not hasattr(Doc, SHORT)
    assert [*Doc.__mapper__.attrs.keys()] == ["id", "embedding"]
    with Session(engine) as session:
        session.add(Doc(id=1, embedding=VECTORS[0]))
        with sending(engine) as sent:
            session.flush()
            (document,) = session.scalars(select(Doc).where(Doc.id == 1))
            session.refresh(document)
        assert document.__dict__.keys() == {"_sa_instance_state", "id", "embedding"}
        assert len(sent.statements) == 3
        for statement, _ in sent.statements:
            assert SHORT not in statement
            assert "returning" not in statement.lower()


def test_a_changed_vector_is_found_anew(engine: Engine, conn: Conn) -> None:
    # row i gets the vector of row i + 1
    with Session(engine) as session:
        session.execute(insert(Doc), values())
        turned = np.roll(VECTORS, -1, axis=0)
        for document, row in zip(
            session.scalars(select(Doc).order_by(Doc.id)), turned[:50], strict=False
        ):
            document.embedding = row.tolist()
        session.flush()
        session.execute(
            update(Doc),
            [{"id": i, "embedding": turned[i - 1].tolist()} for i in range(51, 101)],
        )
        for i in range(101, 201):
            session.execute(
                update(Doc).where(Doc.id == i).values(embedding=turned[i - 1])
            )
        query = VECTORS[7]
        statement = search(select(Doc.id), Doc.embedding, query, k=5)
        rows = ask(session, statement, scans=[INDEX[Doc]])
        assert [row.id for row in rows] == nearest(turned, query, 5)
        session.execute(delete(Doc).where(Doc.id == nearest(turned, query)[0]))
        rows = ask(session, statement, scans=[INDEX[Doc]])
        assert [row.id for row in rows] == nearest(turned, query, 6)[1:]
        session.commit()
    assert one(conn, f"select bool_and({SAME}) from docs")


def test_refresh_expire_and_deferred(engine: Engine) -> None:
    with Session(engine) as session:
        session.execute(insert(Doc), values())
        statement = search(select(Doc), Doc.embedding, VECTORS[2], k=1)
        (document,) = (row[0] for row in ask(session, statement, scans=[INDEX[Doc]]))
        assert np.allclose(document.embedding, VECTORS[2], atol=1e-6)
        session.execute(
            update(Doc).where(Doc.id == 3).values(embedding=VECTORS[9]),
            execution_options={"synchronize_session": False},
        )
        session.expire(document, ["embedding"])
        assert np.allclose(document.embedding, VECTORS[9], atol=1e-6)
        session.expire_all()
        session.refresh(document)
        assert np.allclose(document.embedding, VECTORS[9], atol=1e-6)
        session.expunge_all()
        later = statement.options(defer(Doc.embedding))
        with sending(engine) as sent:
            (document,) = session.scalars(later)
            assert "embedding" not in document.__dict__
            answer = sent.searches[0][0].rsplit(")", 1)[1]
            assert "embedding" not in answer
            assert len(document.embedding) == DIMS
        assert len(sent.statements) == 2
        session.expunge_all()
        (document,) = session.scalars(statement.options(undefer(Doc.embedding)))
        assert "embedding" in document.__dict__


def test_no_vector_yet(engine: Engine) -> None:
    with Session(engine) as session:
        session.execute(insert(Doc), values())
        session.add(Doc(id=1000, embedding=None))
        session.flush()
        assert_found(session)
        assert session.scalar(select(func.count()).select_from(Doc)) == 201


def test_an_async_session(database: str, engine: Engine) -> None:
    query = VECTORS[11]
    statement = search(select(Doc, distance), Doc.embedding, bindparam("q"), k=5)

    async def run() -> None:
        target = create_async_engine(driver(database))
        prepare(target.sync_engine)
        async with AsyncSession(target, expire_on_commit=False) as session:
            session.add_all(Doc(**row) for row in values())
            await session.commit()
            with sending(target) as sent:
                rows = (await session.execute(statement, {"q": query})).all()
            assert [doc.id for doc, _ in rows] == nearest(VECTORS, query, 5)
            assert np.allclose(rows[0][0].embedding, query, atol=1e-6)
            (searched,) = sent.searches
            connection = await session.connection()
            plan = await connection.run_sync(explained, searched)
            assert first_pass(plan) == [INDEX[Doc]]
            document = await session.get_one(Doc, 1)
            document.embedding = query.tolist()
            await session.commit()
            await session.refresh(document)
            found = await session.scalars(
                search(select(Doc), Doc.embedding, Vector(query.tolist()), k=2)
            )
            assert {doc.id for doc in found} == {1, 12}
            streamed = await session.stream(statement, {"q": query.tolist()})
            assert len([row async for row in streamed]) == 5
        await target.dispose()

    asyncio.run(run())
