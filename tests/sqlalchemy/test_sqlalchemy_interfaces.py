"""A Select, psycopg and SQL give the same answers by the same plan.

And what a statement looks like to drivers that send no binary.
"""

import re
from typing import Any

import numpy as np
import pytest
from sqlalchemy import create_engine, create_mock_engine, make_url, select
from sqlalchemy.orm import Session
from support.databases import connect
from support.plans import explain, first_pass, force_index, nodes
from support.search_models import (
    INDEX,
    SESSION,
    Author,
    Doc,
    Library,
    Tag,
    exact,
    explained,
    library_fixture,
    rows_where,
    sending,
    settings,
)
from support.sql_calls import keys
from support.sql_plans import planned, tree
from support.vectors import matryoshka

from mrl_pg.sqlalchemy import distance, indexes_of, register, search

QUERIES = matryoshka(5, seed=9)
ONE = QUERIES[0]
LAYOUT = indexes_of(Doc)[0]


library = library_fixture()


ASKED: dict[str, dict[str, Any]] = {
    "plain": {},
    "effort": {"k": 25, "candidates": 300, "ef_search": 400},
    "above 1000": {"k": 10, "candidates": 1500},
    "exact": {"exact": True},
}


@pytest.mark.parametrize("where", [None, "n < 30"], ids=["all", "filtered"])
@pytest.mark.parametrize("name", ASKED)
def test_three_doors_give_the_same_answers(
    library: Library, name: str, where: str | None
) -> None:
    asked = ASKED[name]
    statement = select(Doc.id, distance)
    if where:
        statement = statement.where(Doc.n < 30)
    k = asked.get("k", 10)
    with Session(library.engine) as session, connect(library.url) as conn:
        force_index(conn)
        for query in QUERIES:
            by_select = session.execute(
                search(statement, Doc.embedding, query, **asked)
            ).all()
            by_psycopg = LAYOUT.search(conn, query, filter=where, **asked)
            by_sql = keys(conn, query, key="int", filter=where, kind="halfvec", **asked)
            assert [tuple(row) for row in by_select] == by_sql
            assert by_sql == [(hit.key, hit.distance) for hit in by_psycopg]
            among = rows_where(lambda row: row % 100 < 30) if where else None
            truth = exact(library.vectors, query, among, k)
            share = len({row.id for row in by_select} & {*truth}) / k
            assert share >= (1 if name == "exact" else 0.9)


def passes(root: dict[str, Any]) -> Any:
    """The plan of the candidates: the first pass below its one-time filter."""
    found = [
        tree(node)
        for node, _ in nodes(root)
        if node.get("Subplan Name") == "CTE candidates"
    ]
    assert len(found) == 1
    return found[0]


CATALOGS = {"pg_attrdef_adrelid_adnum_index", "pg_description_o_c_o_index"}
"""Looks at the short column and for a rotation, which psycopg has elsewhere."""


@pytest.mark.parametrize("where", [None, "n < 30"], ids=["all", "filtered"])
def test_two_doors_plan_the_same_passes(library: Library, where: str | None) -> None:
    statement = select(Doc.id, distance)
    if where:
        statement = statement.where(Doc.n < 30)
    with Session(library.engine) as session, connect(library.url) as conn:
        force_index(conn)
        with sending(library.engine) as sent:
            session.execute(search(statement, Doc.embedding, ONE))
        by_select = explained(session.connection(), sent.searches[0])
        by_psycopg = explain(conn, LAYOUT.plan(conn, ONE, filter=where))
        by_sql = planned(conn, "keys", [ONE], filter=where, kind="halfvec")
    first = passes(by_select)
    checks = [part for part in first if part[:1] == ["Aggregate"]]
    assert [{*CATALOGS} & {*re.findall(r"\w+", str(part))} for part in checks] == (
        [{name} for name in sorted(CATALOGS)]
    )
    first = [part for part in first if part not in checks]
    assert first == passes(by_psycopg)
    assert first_pass(by_select) == first_pass(by_psycopg) == [INDEX]
    assert INDEX in str(by_sql)


# ------------------------------------------------------------------ other drivers

DIALECTS: dict[str, Any] = {
    driver: make_url(f"postgresql+{driver}://").get_dialect()()
    for driver in ("psycopg", "psycopg2", "asyncpg")
}
STATEMENTS: dict[str, Any] = {
    "plain": select(Doc.id, distance),
    "filtered": select(Doc.id).where(Doc.n % 7 == 3, Doc.title.like("%7")),
    "joined": select(Doc.id).join(Doc.author).where(Author.name == "author :7"),
    "any": select(Doc.id).where(Doc.tags.any(Tag.name == "tag 1")),
}


@pytest.mark.parametrize("driver", DIALECTS)
@pytest.mark.parametrize("name", STATEMENTS)
def test_the_statement_compiles_for_every_driver(driver: str, name: str) -> None:
    searched = search(STATEMENTS[name], Doc.embedding, ONE)
    compiled = searched.compile(dialect=DIALECTS[driver])
    assert "::vector(64)" in str(compiled)
    key = next(key for key in compiled.params if key.startswith("mrl_query"))
    assert compiled.params[key] is ONE
    bind: Any = compiled._bind_processors.get(key)
    sent = bind(ONE)
    assert np.allclose(np.fromstring(sent.strip("[]"), sep=","), ONE)


@pytest.mark.parametrize("name", STATEMENTS)
def test_psycopg_sends_binary_on_a_registered_engine(name: str) -> None:
    engine = create_engine("postgresql+psycopg://")
    compiled = search(STATEMENTS[name], Doc.embedding, ONE).compile(engine)
    key = next(key for key in compiled.params if key.startswith("mrl_query"))
    bind: Any = compiled._bind_processors.get(key)
    assert isinstance(bind(ONE), str)
    register(engine)
    assert len(bind(ONE).data) == 4 + 4 * 64


@pytest.mark.parametrize("name", STATEMENTS)
def test_a_statement_with_its_values_runs_by_hand(library: Library, name: str) -> None:
    searched = search(STATEMENTS[name], Doc.embedding, ONE)
    with Session(library.engine) as session:
        truth = [row[0] for row in session.execute(searched)]
        options = {"literal_binds": True}
        psycopg3 = DIALECTS["psycopg"]
        printed = str(searched.compile(dialect=psycopg3, compile_kwargs=options))
        printed = printed.replace("%%", "%")
        connection = session.connection()
        found = connection.exec_driver_sql(
            printed, execution_options={"no_parameters": True}
        )
        assert [row[0] for row in found] == truth
        assert settings(connection) == SESSION
        plan = connection.exec_driver_sql(
            "explain (costs off, format json) " + printed,
            execution_options={"no_parameters": True},
        ).scalar_one()
    assert first_pass(plan[0]["Plan"]) == [INDEX]


@pytest.mark.parametrize("style", ["text", "prepared"])
def test_a_query_in_text_runs_on_the_server(library: Library, style: str) -> None:
    """As drivers without our binary format send it."""
    searched = search(STATEMENTS["joined"], Doc.embedding, ONE)
    compiled = searched.compile(dialect=DIALECTS["psycopg2"])
    values = {
        key: bind(value) if (bind := compiled._bind_processors.get(key)) else value
        for key, value in compiled.params.items()
    }
    with connect(library.url) as conn, Session(library.engine) as session:
        conn.prepare_threshold = 0 if style == "prepared" else None
        found = conn.execute(str(compiled).encode(), values).fetchall()
        assert [key for (key,) in found] == session.scalars(searched).all()


def test_printing_needs_no_dialect() -> None:
    printed = str(search(STATEMENTS["filtered"], Doc.embedding, ONE))
    assert "mrl_hits" in printed
    assert ":mrl_query_1::vector(64)" in printed
    assert re.search(r"limit 160\b", printed)
    assert re.search(r"limit 10\b", printed)


def test_a_mock_engine_prints_a_search() -> None:
    said: list[str] = []

    def hear(what: Any, *_: Any, **__: Any) -> None:
        said.append(str(what.compile(dialect=DIALECTS["psycopg"])))

    engine = create_mock_engine("postgresql+psycopg://", hear)
    engine.connect().execute(search(STATEMENTS["plain"], Doc.embedding, ONE))
    assert "%(mrl_query_1)s::vector(64)" in said[0]
