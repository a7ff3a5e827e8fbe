"""A statement that a driver has prepared is planned for the values of each search.

Twelve searches that find much go before one whose values let few rows through: a plan
that was kept of them would look for those few in the graph, and give up.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from pgvector.sqlalchemy import VECTOR
from sqlalchemy import (
    Connection,
    ForeignKey,
    bindparam,
    event,
    select,
    text,
)
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapped,
    ORMExecuteState,
    Session,
    mapped_column,
    relationship,
    with_loader_criteria,
)
from support.databases import Server, connect, role
from support.drivers import DRIVERS, open_engine, run
from support.search_models import exact
from support.vectors import Vectors

from mrl_pg.sqlalchemy import Matryoshka, search, seen

ROWS, WARM = 6000, 12
SINCE, FEW = ROWS * 3 // 4, 15
"""The first day of searches that find much, and rows that the last may find."""

EFFORT: dict[str, Any] = {"max_scan_tuples": 1000}
"""On this many rows what the default is on ten times as many."""


class Base(DeclarativeBase):
    """Tables of their own."""


class Note(Base):
    """Row i is of day `days[i]`; few are of tenant 77, the rest of the others."""

    __tablename__ = "notes"
    id: Mapped[int] = mapped_column(primary_key=True)
    day: Mapped[int] = mapped_column(index=True)
    tenant: Mapped[int] = mapped_column(index=True)
    embedding: Mapped[Any] = mapped_column(VECTOR(32), Matryoshka(16))
    days: Mapped[list["Day"]] = relationship(back_populates="note")


class Day(Base):
    __tablename__ = "days"
    day: Mapped[int] = mapped_column(primary_key=True)
    note_id: Mapped[int] = mapped_column(ForeignKey("notes.id"), index=True)
    note: Mapped[Note] = relationship(back_populates="days")


@dataclass(frozen=True, slots=True)
class Notes:
    """A database of notes; `own` is that of a role under a policy."""

    url: str
    own: str
    vectors: Vectors
    days: Any
    tenants: Any


@pytest.fixture(scope="module")
def notes(pg_server: Server) -> Iterator[Notes]:
    vectors = np.random.default_rng(5).normal(size=(ROWS, 32)).astype(np.float32)
    keys = np.arange(1, ROWS + 1)
    days = keys * 7919 % ROWS
    tenants = np.where(keys % 500 == 7, 77, keys % 10)
    with pg_server.fresh() as url, connect(url) as conn:
        engine = open_engine(url, "psycopg")
        Base.metadata.create_all(engine)
        engine.dispose()
        # an index of all rows takes a fraction of the time that they take one by one
        found = conn.execute("select indexdef from pg_indexes where indexdef ~ 'hnsw'")
        ((definition,),) = found.fetchall()
        conn.execute("drop index notes_embedding_16_halfvec_cosine_hnsw")
        with conn.cursor() as cursor:
            with cursor.copy(
                "copy notes (id, day, tenant, embedding) from stdin"
            ) as to:
                for row in zip(keys, days, tenants, vectors, strict=True):
                    to.write_row((*map(int, row[:3]), str(row[3].tolist())))
            with cursor.copy("copy days (day, note_id) from stdin") as to:
                for day, key in zip(days, keys, strict=True):
                    to.write_row((int(day), int(key)))
        conn.execute(definition)
        own = role(conn, url, "policy_reader")
        for statement in (
            "alter table notes enable row level security",
            "create policy own on notes"
            " using (tenant = current_setting('app.tenant')::int)",
            "grant select on notes, days to policy_reader",
            "analyze",
        ):
            conn.execute(statement)
        yield Notes(url, own, vectors, days, tenants)


def plans(connection: Connection) -> tuple[int, int]:
    """How often a search that is prepared ran by a kept plan, and by one of its own."""
    (row,) = connection.execute(
        text(
            "select generic_plans, custom_plans from pg_prepared_statements"
            " where statement like 'WITH mrl_hits%'"
        )
    )
    return row.generic_plans, row.custom_plans


def since(least: int) -> dict[str, Any]:
    """The same filter in each way that a Select can have it."""
    return {
        "condition": select(Note.id, seen).where(Note.day >= least),
        "members": select(Note.id, seen).join(Note.days).where(Day.day >= least),
        "criteria": select(Note.id, seen).options(
            with_loader_criteria(Note, Note.day >= least)
        ),
        "core": select(Note.__table__.c.id, seen).where(Note.__table__.c.day >= least),
    }


WAYS = list(since(0))


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("driver", DRIVERS)
def test_a_filter_is_planned_for_its_values(
    notes: Notes, driver: str, way: str
) -> None:
    query = notes.vectors[3]

    def work(connection: Connection) -> Any:
        with Session(connection) as session:
            for least in (*range(SINCE, SINCE + WARM), ROWS - FEW):
                searched = search(since(least)[way], Note.embedding, query, **EFFORT)
                found = session.execute(searched).all()
            return found, plans(connection)

    found, (generic, custom) = run(notes.url, driver, work)
    truth = exact(notes.vectors, query, np.flatnonzero(notes.days >= ROWS - FEW) + 1)
    assert [row.id for row in found] == truth
    assert {row.seen for row in found} == {FEW}
    assert (generic, custom > 5) == (0, True)


def test_criteria_that_an_event_brings_are_planned_for_their_values(
    notes: Notes,
) -> None:
    least = 0

    def add(state: ORMExecuteState) -> None:
        option = with_loader_criteria(Note, lambda cls: cls.day >= least)
        state.statement = state.statement.options(option)

    def work(connection: Connection) -> Any:
        nonlocal least
        with Session(connection) as session:
            event.listen(session, "do_orm_execute", add)
            for least in (*range(SINCE, SINCE + WARM), ROWS - FEW):  # noqa: B007
                searched = search(
                    select(Note.id, seen), Note.embedding, notes.vectors[3], **EFFORT
                )
                found = session.execute(searched).all()
            return len(found), plans(connection)[0]

    assert run(notes.url, "psycopg", work) == (10, 0)


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_policy_is_planned_for_the_setting_that_it_reads(
    notes: Notes, driver: str
) -> None:
    query = notes.vectors[3]

    def work(connection: Connection) -> Any:
        # nothing in the Select says that there is a policy
        searched = search(select(Note.id, seen), Note.embedding, query, **EFFORT)
        for tenant in (*(i % 7 for i in range(WARM)), 77):
            connection.execute(
                text("select set_config('app.tenant', :tenant, false)"),
                {"tenant": str(tenant)},
            )
            found = connection.execute(searched).all()
        return found, plans(connection)

    found, (generic, custom) = run(notes.own, driver, work)
    truth = exact(notes.vectors, query, np.flatnonzero(notes.tenants == 77) + 1)
    assert [row.id for row in found] == truth
    assert (generic, custom > 5) == (0, True)


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_plain_search_keeps_its_plan(notes: Notes, driver: str) -> None:
    """So does one of a role that no policy holds for, on the same table."""
    searched = search(select(Note.id, seen), Note.embedding, bindparam("query"))

    def work(connection: Connection) -> Any:
        found = [
            connection.execute(searched, {"query": query}).all()
            for query in notes.vectors[:WARM]
        ]
        return found, plans(connection)

    found, (generic, custom) = run(notes.url, driver, work)
    # each query is a row, which is nearest to itself
    assert [rows[0].id for rows in found] == list(range(1, WARM + 1))
    assert {row.seen for rows in found for row in rows} == {160}
    assert (generic > 0, custom) == (True, 5)


def test_a_kept_plan_is_dropped_when_a_policy_comes_to_hold(notes: Notes) -> None:
    """Another role on the same connection, as after `set role` of a web server."""
    searched = search(select(Note.id, seen), Note.embedding, notes.vectors[3], **EFFORT)

    def work(connection: Connection) -> Any:
        for _ in range(WARM):
            connection.execute(searched).all()
        assert plans(connection)[0] > 0
        connection.exec_driver_sql("set app.tenant = 77")
        connection.exec_driver_sql("set role policy_reader")
        before = plans(connection)[0]
        found = connection.execute(searched).all()
        return len(found), plans(connection)[0] - before

    assert run(notes.url, "psycopg", work) == (10, 0)


def test_a_schema_that_is_translated_has_policies_too(notes: Notes) -> None:
    def work(connection: Connection) -> Any:
        translated = connection.execution_options(schema_translate_map={None: "public"})
        searched = search(
            select(Note.id, seen), Note.embedding, notes.vectors[3], **EFFORT
        )
        for tenant in (*(i % 7 for i in range(WARM)), 77):
            connection.exec_driver_sql(f"set app.tenant = {tenant}")
            found = translated.execute(searched).all()
        return len(found), plans(connection)[0]

    assert run(notes.own, "psycopg", work) == (10, 0)


def test_a_session_may_insist_on_kept_plans(notes: Notes) -> None:
    """They cost what they did: nothing that PostgreSQL would compile them for."""

    def work(connection: Connection) -> Any:
        connection.exec_driver_sql("set plan_cache_mode = force_generic_plan")
        searched = search(
            select(Note.id).where(Note.day >= 0), Note.embedding, notes.vectors[3]
        )
        for _ in range(WARM):
            found = connection.execute(searched).all()
        (name,) = connection.exec_driver_sql(
            "select name from pg_prepared_statements"
            " where statement like 'WITH mrl_hits%%'"
        ).scalars()
        (plan,) = connection.exec_driver_sql(
            f"explain (format json) execute {name} ('{notes.vectors[3].tolist()}', 0)"
        ).scalars()
        return len(found), plan[0]["Plan"]["Total Cost"]

    found, cost = run(notes.url, "psycopg", work)
    assert found == 10
    assert cost < 100_000
