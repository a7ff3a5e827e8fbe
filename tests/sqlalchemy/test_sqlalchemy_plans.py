"""What PostgreSQL makes of a search on its own, with nothing switched off."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from sqlalchemy import Select, select, text
from sqlalchemy.orm import Session
from support.plans import first_pass, nodes
from support.search_models import (
    INDEX,
    SESSION,
    Author,
    Doc,
    Library,
    Tag,
    author_of,
    exact,
    explained,
    library_fixture,
    open_engine,
    sending,
    settings,
    tags_of,
)
from support.vectors import matryoshka

from mrl_pg.sqlalchemy import search, seen

pytestmark = pytest.mark.every_version

ROWS = 6_000
QUERIES = matryoshka(6, seed=9)
MANY = range(1, ROWS + 1)


library = library_fixture(ROWS)


@pytest.fixture
def session(library: Library) -> Iterator[Session]:
    engine = open_engine(library.url, forced=False)
    with Session(engine) as session:
        session.execute(text("set random_page_cost = 1.1"))
        yield session
    engine.dispose()


BY_INDEX: dict[str, tuple[Select[Any], list[int]]] = {
    "every row": (select(Doc.id), [*MANY]),
    "half of the table": (
        select(Doc.id).where(Doc.n < 50),
        [row for row in MANY if row % 100 < 50],
    ),
    "half of the authors": (
        select(Doc.id).join(Doc.author).where(Author.id <= 20),
        [row for row in MANY if author_of(row) <= 20],
    ),
    "a third of the tags": (
        select(Doc.id).where(Doc.tags.any(Tag.name.in_(["tag 1", "tag 2", "tag 3"]))),
        [row for row in MANY if {"tag 1", "tag 2", "tag 3"} & {*tags_of(row)}],
    ),
}
BY_FILTER: dict[str, tuple[Select[Any], list[int]]] = {
    "twelve keys": (
        select(Doc.id).where(Doc.id.in_(range(1, ROWS, 1000))),
        [*range(1, ROWS, 1000)],
    ),
    "twelve rows": (
        select(Doc.id).where(Doc.id % 1000 == 7),
        [row for row in MANY if row % 1000 == 7],
    ),
    "tags of few rows": (
        select(Doc.id).join(Doc.tags).where(Tag.id < 200),
        [row for row in MANY if row < 20 and tags_of(row)],
    ),
}


@pytest.mark.parametrize("name", BY_INDEX)
def test_a_filter_that_leaves_many_rows_keeps_the_index(
    library: Library, session: Session, name: str
) -> None:
    statement, among = BY_INDEX[name]
    shares = []
    for query in QUERIES:
        searched = search(statement, Doc.embedding, query)
        root, found = asked(session, searched)
        assert first_pass(root) == [INDEX]
        shares.append(len({*found} & {*exact(library.vectors, query, among)}) / 10)
        assert len(found) == 10
    assert np.mean(shares) >= 0.95


@pytest.mark.parametrize("name", BY_FILTER)
def test_a_filter_that_leaves_few_rows_is_exact(
    library: Library, session: Session, name: str
) -> None:
    statement, among = BY_FILTER[name]
    for query in QUERIES:
        searched = search(statement, Doc.embedding, query)
        root, found = asked(session, searched)
        assert first_pass(root) == []
        # a join to many repeats a row
        assert [*dict.fromkeys(found)] == exact(library.vectors, query, among)
    rows = session.execute(searched.add_columns(seen)).all()
    assert {row.seen for row in rows} == {len(among)}


def test_answers_are_looked_up_by_key(session: Session) -> None:
    """Neither the table nor what is joined to it is read as a whole for ten rows."""
    statement = select(Doc, Author.name).join(Doc.author).where(Doc.n < 50)
    root, _ = asked(session, search(statement, Doc.embedding, QUERIES[0]))
    read = [
        (node["Node Type"], node.get("Index Name"))
        for node, _ in nodes(root)
        if node.get("Relation Name") == "docs"
    ]
    assert ("Index Scan", INDEX) in read
    assert "Seq Scan" not in {kind for kind, _ in read}


def asked(session: Session, statement: Any) -> tuple[dict[str, Any], list[int]]:
    """The plan of a search, and the keys that it found."""
    engine: Any = session.get_bind()
    with sending(engine) as sent:
        found = [getattr(key, "id", key) for key in session.scalars(statement)]
    connection = session.connection()
    assert settings(connection) == SESSION
    return explained(connection, sent.searches[0]), found
