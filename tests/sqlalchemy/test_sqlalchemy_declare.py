"""Matryoshka on a column: what it declares, however the column came to be written."""

import pickle
from collections.abc import Iterator
from typing import Annotated, Any

import pytest
from pgvector.sqlalchemy import VECTOR
from sqlalchemy import (
    BigInteger,
    Column,
    Engine,
    MetaData,
    Table,
    create_engine,
    event,
    insert,
    select,
)
from sqlalchemy.exc import ArgumentError
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column
from sqlalchemy.pool import Pool
from support.databases import Conn
from support.models import WAYS, Base, Data, Doc, Embedding, Plain, core
from support.search_models import ask, open_engine
from support.sql_state import catalog
from support.vectors import DIMS, matryoshka, nearest

from mrl_pg import MatryoshkaIndex
from mrl_pg.errors import InvalidSetting
from mrl_pg.sqlalchemy import Matryoshka, distance, indexes_of, register, search
from mrl_pg.sqlalchemy.vector import _teach

VECTORS = matryoshka(100)


@pytest.fixture
def engine(database: str) -> Iterator[Engine]:
    engine = open_engine(database)
    yield engine
    engine.dispose()


def fill(session: Session, table: Table) -> None:
    """Row i holds vector i - 1."""
    rows = [{"id": i, "embedding": row} for i, row in enumerate(VECTORS, 1)]
    session.execute(insert(table), rows)


def by_python(engine: Engine, conn: Conn, table: Table) -> list[Any]:
    """Catalogs of the same table, indexed by `MatryoshkaIndex.create`."""
    full = table.c.embedding
    table.drop(engine)
    plain = Table(
        table.name,
        MetaData(),
        Column("id", table.c.id.type, primary_key=True),
        Column("embedding", full.type, nullable=full.nullable),
        schema=table.schema,
    )
    plain.create(engine)
    for index in indexes_of(table):
        index.create(conn)
    return catalog(conn, table.fullname)


@pytest.mark.parametrize("table", WAYS, ids=lambda table: table.name)
def test_every_way_to_write_a_column(engine: Engine, conn: Conn, table: Table) -> None:
    declared = indexes_of(table)
    assert declared == (
        MatryoshkaIndex(table.name, "embedding", dims=32, keep="generated"),
    )
    assert table.c.keys() == ["id", "embedding"]
    table.create(engine)
    with Session(engine) as session:
        fill(session, table)
        for query in VECTORS[:3]:
            found = search(select(table.c.id, distance), table.c.embedding, query, k=5)
            rows = ask(session, found, scans=[declared[0].name])
            assert [row.id for row in rows] == nearest(VECTORS, query, 5)
        session.rollback()
    assert catalog(conn, table.name) == by_python(engine, conn, table)


def test_several_sizes_on_one_column(engine: Engine, conn: Conn) -> None:
    table = Table(
        "sizes",
        MetaData(),
        Column("id", BigInteger, primary_key=True),
        Column(
            "embedding",
            VECTOR(DIMS),
            Matryoshka(32),
            Matryoshka(DIMS, kind="bit", short="Signs %", name="Signs: all"),
            Matryoshka(16, kind="vector", distance="ip", m=8, ef_construction=40),
            # the short column is there already
            Matryoshka(32, distance="l2"),
        ),
    )
    halves, signs, small, far = indexes_of(table)
    assert (halves.dims, halves.distance) == (32, "cosine")
    assert (signs.short, signs.name) == ("Signs %", "Signs: all")
    assert (small.kind, small.m, small.ef_construction) == ("vector", 8, 40)
    assert (far.short, far.distance) == (halves.short, "l2")
    table.create(engine)
    with Session(engine) as session:
        fill(session, table)
        for index in (None, halves, signs, small, far):
            found = search(
                select(table.c.id),
                table.c.embedding,
                VECTORS[7],
                k=5,
                candidates=len(VECTORS),
                index=index,
            )
            rows = ask(session, found, scans=[(index or halves).name])
            assert [row.id for row in rows] == nearest(VECTORS, VECTORS[7], 5)
        session.rollback()
    assert catalog(conn, "sizes") == by_python(engine, conn, table)


def test_an_annotated_type_and_a_column_may_both_declare() -> None:
    class Base(DeclarativeBase):
        pass

    class Both(Base):
        __tablename__ = "both"
        id: Mapped[int] = mapped_column(primary_key=True)
        embedding: Mapped[Embedding] = mapped_column(Matryoshka(16), Matryoshka(32))
        other: Mapped[Annotated[Any, mapped_column(VECTOR(8))]] = mapped_column(
            Matryoshka(4)
        )

    assert [(index.column, index.dims) for index in indexes_of(Both)] == [
        ("embedding", 32),
        ("embedding", 16),
        ("other", 4),
    ]


def test_a_subclass_on_its_parents_table() -> None:
    class Base(DeclarativeBase):
        pass

    class Parent(Base):
        __tablename__ = "parents"
        __mapper_args__ = {  # noqa: RUF012  SQLAlchemy's own way to say it
            "polymorphic_on": "type",
            "polymorphic_identity": "parent",
        }
        id: Mapped[int] = mapped_column(primary_key=True)
        type: Mapped[str]

    class Child(Parent):
        __mapper_args__ = {"polymorphic_identity": "child"}  # noqa: RUF012
        embedding: Mapped[Any] = mapped_column(VECTOR(8), Matryoshka(4), nullable=True)

    assert indexes_of(Child) == (
        MatryoshkaIndex("parents", "embedding", dims=4, keep="generated"),
    )
    assert indexes_of(Parent) == indexes_of(Child)


@pytest.fixture
def registered_everywhere() -> Iterator[None]:
    """Listeners on all engines and tables; those on engines change later tests."""
    register()
    yield
    event.remove(Pool, "checkout", _teach)


@pytest.mark.usefixtures("registered_everywhere")  # a pickle keeps no listeners
def test_copies_of_a_table_declare_the_same(engine: Engine, conn: Conn) -> None:
    (index,) = indexes_of(core)
    same = core.to_metadata(MetaData())
    assert indexes_of(same) == (index,)
    assert same.c.embedding.info == {"kept": True}
    pickled: MetaData = pickle.loads(pickle.dumps(same.metadata))
    assert indexes_of(pickled.tables["core"]) == (index,)
    moved = core.to_metadata(MetaData(), schema="other", name="moved")
    wanted = MatryoshkaIndex(
        "moved", "embedding", dims=32, schema="other", keep="generated"
    )
    assert indexes_of(moved) == (wanted,)
    conn.execute("create schema other")
    for table in (pickled.tables["core"], moved):
        table.create(engine)
        assert catalog(conn, table.fullname) == by_python(engine, conn, table)


def test_the_dataclass_has_the_fields_it_says() -> None:
    for model in (Data, Plain):
        assert [*model.__dataclass_fields__] == ["id", "embedding"]
        document: Any = model(embedding=[1.0] * DIMS)
        assert document.embedding == [1.0] * DIMS


def test_repr_says_what_is_declared() -> None:
    assert repr(Matryoshka(256, kind="bit")) == (
        "Matryoshka(256, kind='bit', distance='cosine')"
    )
    assert "Matryoshka(32, kind='halfvec'" in repr(Doc.__table__.c.embedding)


def test_only_a_column_takes_it() -> None:
    with pytest.raises(ArgumentError) as caught:
        Table("docs", MetaData(), Matryoshka(4))
    assert "Matryoshka(4, kind='halfvec', distance='cosine') belongs to a column" in (
        str(caught.value)
    )
    assert "Column(…, VECTOR(…), Matryoshka(…))" in str(caught.value)


def test_two_indexes_of_one_name_are_refused() -> None:
    with pytest.raises(InvalidSetting) as caught:
        Column("embedding", VECTOR(8), Matryoshka(4), Matryoshka(4, m=8))
    message = (
        "would make a second index of the same name: give one of them another name="
    )
    assert message in str(caught.value)
    Column("embedding", VECTOR(8), Matryoshka(4), Matryoshka(4, m=8, name="better"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dims": 0}, "dims=0 is outside 1 to 4000"),
        ({"dims": 4001}, "dims=4001 is outside 1 to 4000"),
        ({"dims": "256"}, "dims='256' is not a whole number"),
        ({"kind": "float"}, "kind='float' is unknown: choose one of 'vector'"),
        ({"distance": "l1"}, "distance='l1' is unknown: choose one of 'cosine'"),
        ({"m": 1}, "m=1 is outside 2 to 100"),
        ({"m": 40}, "ef_construction=64 is below twice m=40"),
        ({"short": "x" * 64}, "is 64 bytes long: PostgreSQL cuts names at 63"),
        ({"name": 3}, "name=3 is not a name: give a non-empty string"),
    ],
    ids=str,
)
def test_bad_settings_are_refused_where_they_are_written(
    options: dict[str, Any], message: str
) -> None:
    with pytest.raises(InvalidSetting) as caught:
        Matryoshka(**{"dims": 4, **options})
    assert message in str(caught.value)


def test_another_database_ignores_it() -> None:
    engine = create_engine("sqlite://")
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        session.add(Doc(id=1, embedding=None))
        session.commit()
        assert session.scalars(select(Doc.id)).all() == [1]
    engine.dispose()
