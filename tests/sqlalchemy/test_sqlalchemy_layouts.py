"""Tables of every layout: kinds, distances, keys, names, schemas, partitions."""

from collections.abc import Iterator, Sequence
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from pgvector.sqlalchemy import HALFVEC, VECTOR
from sqlalchemy import (
    Column,
    Engine,
    Integer,
    MetaData,
    String,
    Table,
    TypeDecorator,
    Uuid,
    insert,
    select,
    text,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, registry
from support.databases import Server
from support.search_models import ask, open_engine
from support.vectors import TOLERANCE, Vectors, distances, matryoshka

from mrl_pg.kinds import Distance, Kind
from mrl_pg.sqlalchemy import Matryoshka, distance, indexes_of, search, standing

ROWS, DIMS = 100, 32
VECTORS = matryoshka(ROWS, dims=DIMS)
QUERY = matryoshka(1, dims=DIMS, seed=9)[0]


class Embedding(TypeDecorator[Any]):
    """A full column that hands out tuples."""

    impl = VECTOR
    cache_ok = True

    def process_result_value(self, value: Any, dialect: Any) -> Any:
        return None if value is None else tuple(value)


@pytest.fixture(scope="module")
def engine(pg_server: Server) -> Iterator[Engine]:
    with pg_server.fresh() as url:
        engine = open_engine(url)
        yield engine
        engine.dispose()


def stocked(engine: Engine, table: Table, keys: Sequence[Any] = ()) -> Table:
    """The table in the database, with a row for each vector, numbered by `n`."""
    table.metadata.create_all(engine)
    with engine.begin() as connection:
        connection.execute(
            insert(table),
            [
                {"e": vector, "n": i, **(keys[i - 1] if keys else {"id": i})}
                for i, vector in enumerate(VECTORS.tolist(), 1)
            ],
        )
        name = connection.dialect.identifier_preparer.format_table(table)
        connection.exec_driver_sql(f"analyze {name}")
    return table


def columns(
    declared: Any, full: Any = None, e: str = "embedding", id_type: Any = Integer
) -> list[Column[Any]]:
    return [
        Column("id", id_type, key="id", primary_key=True),
        Column("n", Integer, key="n"),
        Column(e, full or VECTOR(DIMS), *declared, key="e"),
    ]


def check(
    engine: Engine,
    table: Table,
    by: Distance = "cosine",
    *,
    index: str = "",
    k: int = 10,
    candidates: int | None = None,
    vectors: Vectors = VECTORS,
    tolerance: float = TOLERANCE,
) -> None:
    """Plan, answers and distances of a plain and of a filtered search."""
    far = distances(vectors, QUERY, by)
    scans = [index or indexes_of(table)[0].name]
    for where, holds in ((table.c.n > 0, 1), (table.c.n % 3 == 0, 3)):
        statement = select(table.c.n, distance).where(where)
        searched = search(statement, table.c.e, QUERY, k=k, candidates=candidates)
        with Session(engine) as session:
            rows = ask(session, searched, scans=scans)
        order = [int(i) + 1 for i in np.argsort(far, kind="stable")]
        truth = [n for n in order if n % holds == 0][:k]
        assert len({row.n for row in rows} & {*truth}) >= 0.9 * k
        given = [row.distance for row in rows]
        assert given == sorted(given)
        assert np.allclose(given, [far[row.n - 1] for row in rows], atol=tolerance)


KINDS: list[Kind] = ["vector", "halfvec", "bit"]
DISTANCES: list[Distance] = ["cosine", "l2", "ip"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("by", DISTANCES)
@pytest.mark.parametrize("full", [VECTOR, HALFVEC])
def test_every_kind_and_distance(
    engine: Engine, kind: Kind, by: Distance, full: Any
) -> None:
    name = f"{full.__name__}_{kind}_{by}".lower()
    declared = [Matryoshka(DIMS if kind == "bit" else 16, kind=kind, distance=by)]
    table = Table(name, MetaData(), *columns(declared, full(DIMS)))
    halves = VECTORS.astype(np.float16).astype(np.float32)
    check(
        engine,
        stocked(engine, table),
        by,
        # 32 signs say little
        candidates=200 if kind == "bit" else None,
        vectors=halves if full is HALFVEC else VECTORS,
        tolerance=2e-3 if full is HALFVEC else TOLERANCE,
    )


KEYS: dict[str, tuple[Any, Any]] = {
    "text": (String, lambda i: f"key {i:05} 'quoted' 100%"),
    "uuid": (Uuid, lambda i: UUID(int=i << 64)),
}


@pytest.mark.parametrize("name", KEYS)
def test_a_key_of_another_type(engine: Engine, name: str) -> None:
    id_type, key = KEYS[name]
    table = Table(
        f"keys_{name}", MetaData(), *columns([Matryoshka(16)], id_type=id_type)
    )
    stocked(engine, table, [{"id": key(i)} for i in range(1, ROWS + 1)])
    check(engine, table)
    with Session(engine) as session:
        found = ask(
            session,
            search(select(table.c.id, table.c.n), table.c.e, QUERY),
            scans=[indexes_of(table)[0].name],
        )
    assert all(row.id == key(row.n) for row in found)


def test_a_key_of_three_columns(engine: Engine) -> None:
    table = Table(
        "composite",
        MetaData(),
        Column("b", String, primary_key=True),
        Column("n", Integer, key="n"),
        Column("e", VECTOR(DIMS), Matryoshka(16), key="e"),
        Column("a", Integer, primary_key=True),
        Column("key_1", Integer, primary_key=True),
        Column("distance", Integer),
        Column("seen", Integer),
    )
    stocked(
        engine,
        table,
        [
            {"a": i % 7, "b": f"b{i % 11}", "key_1": i, "distance": i, "seen": -i}
            for i in range(1, ROWS + 1)
        ],
    )
    check(engine, table)
    mapped = registry()

    class Composite:
        a: int
        n: int
        e: Any
        tag: str

    mapped.map_imperatively(Composite, table)
    other = table.alias()
    statement = (
        select(Composite, distance)
        .join(other, other.c.key_1 == Composite.key_1 + 1)  # type: ignore[attr-defined]
        .where(other.c.a == 3)
    )
    with Session(engine) as session:
        rows = ask(
            session,
            search(statement, Composite.e, QUERY),
            scans=[indexes_of(table)[0].name],
        )
    far = distances(VECTORS, QUERY, "cosine")
    order = [int(i) + 1 for i in np.argsort(far, kind="stable")]
    truth = [n for n in order if (n + 1) % 7 == 3 and n < ROWS][:10]
    assert [row[0].n for row in rows] == truth
    mapped.dispose()


ODD = [
    'Odd "table" 100%',
    "with:colon :id",
    "{braces} {}",
    "sélect",
    "select",
    "candidates",
    "after",
    "per%(s)s",
    "MixedCase",
]


@pytest.mark.parametrize("schema", [None, "Odd schema.%"])
@pytest.mark.parametrize("name", ODD)
def test_odd_names(engine: Engine, name: str, schema: str | None) -> None:
    if schema:
        with engine.begin() as connection:
            connection.exec_driver_sql('create schema if not exists "Odd schema.%%"')
    declared = [Matryoshka(16, short=f"{name} short", name=f"{name} index")]
    table = Table(
        name,
        MetaData(),
        Column(f"{name} id", Integer, key="id", primary_key=True),
        Column(f"{name} n", Integer, key="n"),
        Column(f"{name} e", VECTOR(DIMS), *declared, key="e"),
        schema=schema,
    )
    check(engine, stocked(engine, table))


def test_a_schema_of_each_tenant(engine: Engine) -> None:
    metadata = MetaData()
    table = Table("places", metadata, *columns([Matryoshka(16)]), schema="tenant")
    other = Table(
        "words", metadata, Column("id", Integer, primary_key=True), schema="tenant"
    )
    with engine.begin() as connection:
        for schema in ("tenant_1", "tenant_2"):
            connection.exec_driver_sql(f"create schema {schema}")
    for first, schema in ((1, "tenant_1"), (2, "tenant_2")):
        tenant = engine.execution_options(schema_translate_map={"tenant": schema})
        metadata.create_all(tenant)
        rows = range(first, ROWS + 1, 2)
        with tenant.begin() as connection:
            data = [{"id": i, "n": i, "e": VECTORS[i - 1].tolist()} for i in rows]
            connection.execute(insert(table), data)
            connection.execute(insert(other), [{"id": i} for i in rows if i % 3])
            connection.exec_driver_sql(f"analyze {schema}.places")
    far = distances(VECTORS, QUERY, "cosine")
    order = [int(i) + 1 for i in np.argsort(far, kind="stable")]
    plain = search(select(table.c.n), table.c.e, QUERY)
    joined = select(table.c.n).join(other, other.c.id == table.c.id)
    for first, schema in ((1, "tenant_1"), (2, "tenant_2"), (1, "tenant_1")):
        tenant = engine.execution_options(schema_translate_map={"tenant": schema})
        with Session(tenant) as session:
            own = [n for n in order if n % 2 == first % 2]
            rows_found = ask(session, plain, scans=[indexes_of(table)[0].name])
            assert [row.n for row in rows_found] == own[:10]
            rows_found = ask(
                session,
                search(joined, table.c.e, QUERY),
                scans=[indexes_of(table)[0].name],
            )
            assert [row.n for row in rows_found] == [n for n in own if n % 3][:10]


@pytest.mark.parametrize("schema", ["ten'ant", "%(x)s", "a'::regclass); --"])
def test_a_recall_in_a_schema_of_a_tenant(engine: Engine, schema: str) -> None:
    """The calibration is that of the tenant's table, whatever its schema is called."""
    metadata = MetaData()
    table = Table("places", metadata, *columns([Matryoshka(16)]), schema="tenant")
    tenant = engine.execution_options(schema_translate_map={"tenant": schema})
    with tenant.begin() as connection:
        quoted = connection.dialect.identifier_preparer.quote_identifier(schema)
        connection.exec_driver_sql(f"create schema {quoted}")
        metadata.create_all(connection)
        rows = [{"id": i, "n": i, "e": e} for i, e in enumerate(VECTORS.tolist(), 1)]
        connection.execute(insert(table), rows)
        statement = select(table.c.n, standing)
        searched = search(statement, table.c.e, QUERY, recall=0.9, k=1)
        nearest = int(distances(VECTORS, QUERY, "cosine").argmin()) + 1
        assert connection.execute(searched).all() == [(nearest, "uncalibrated")]


def test_a_partitioned_table(engine: Engine) -> None:
    table = Table(
        "parted",
        MetaData(),
        *columns([Matryoshka(16)]),
        postgresql_partition_by="hash (id)",
    )
    with engine.begin() as connection:
        table.metadata.create_all(connection)
        for part in range(2):
            connection.exec_driver_sql(
                f"create table parted_{part} partition of parted"
                f" for values with (modulus 2, remainder {part})"
            )
    stocked(engine, table)
    far = distances(VECTORS, QUERY, "cosine")
    searched = search(select(table.c.n), table.c.e, QUERY)
    with Session(engine) as session:
        parts = session.execute(
            text(
                "select inhrelid::regclass::text from pg_inherits"
                " where inhparent = cast(:name as regclass)"
            ),
            {"name": indexes_of(table)[0].name},
        ).scalars()
        rows = ask(session, searched, scans=[*parts])
    assert [row.n for row in rows] == [int(i) + 1 for i in np.argsort(far)[:10]]


def test_a_type_around_the_vector(engine: Engine) -> None:
    class Base(DeclarativeBase):
        pass

    class Wrapped(Base):
        __tablename__ = "wrapped"
        id: Mapped[int] = mapped_column(primary_key=True)
        n: Mapped[int]
        e: Mapped[Any] = mapped_column(Embedding(DIMS), Matryoshka(16))

    table = Wrapped.__table__
    assert isinstance(table, Table)
    check(engine, stocked(engine, table))
    with Session(engine) as session:
        found = session.scalars(search(select(Wrapped), Wrapped.e, QUERY, k=1)).one()
        assert isinstance(found.e, tuple)
        again = search(select(Wrapped.id), Wrapped.e, found.e, k=1)
        assert session.scalar(again) == found.id


def test_rows_without_a_vector_or_a_direction_are_never_answered(
    engine: Engine,
) -> None:
    table = Table("gaps", MetaData(), *columns([Matryoshka(16)]))
    table.metadata.create_all(engine)
    vectors = [None, [0.0] * DIMS, *VECTORS[:30].tolist()]
    with engine.begin() as connection:
        data = [{"id": i, "n": i, "e": vector} for i, vector in enumerate(vectors)]
        connection.execute(insert(table), data)
    far = distances(VECTORS[:30], QUERY, "cosine")
    truth = [int(i) + 2 for i in np.argsort(far)]
    for exact in (False, True):
        searched = search(select(table.c.id), table.c.e, QUERY, k=50, exact=exact)
        with Session(engine) as session:
            assert session.scalars(searched).all() == truth
