"""Joins before and after a search, and what else is loaded with its answers."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import func, inspect, select, true
from sqlalchemy.exc import InvalidRequestError
from sqlalchemy.orm import (
    Session,
    aliased,
    contains_eager,
    defer,
    joinedload,
    load_only,
    raiseload,
    selectinload,
    subqueryload,
    undefer,
)
from sqlalchemy.orm.interfaces import ORMOption
from support.search_models import (
    ROWS,
    Author,
    Doc,
    Library,
    Tag,
    Topic,
    ask,
    author_of,
    doc_topics,
    exact,
    library_fixture,
    rows_where,
    sending,
    tags_of,
    topics_of,
)
from support.vectors import matryoshka

from mrl_pg.sqlalchemy import distance, search, seen

QUERY = matryoshka(2, seed=9)[0]
TABLE, AUTHORS, TAGS = Doc.__table__, Author.__table__, Tag.__table__


library = library_fixture()


@pytest.fixture
def session(library: Library) -> Iterator[Session]:
    with Session(library.engine) as session:
        yield session


Writer = aliased(Author)
counts = select(Tag.doc_id, func.count().label("tags")).group_by(Tag.doc_id).subquery()
last = select(Tag.name).where(Tag.doc_id == Doc.id).order_by(Tag.id.desc()).limit(1)
last_tag = last.lateral()
picked = select(Author.id).where(Author.country == "country 3").cte("picked")
JOINS: dict[str, tuple[Any, Callable[[int], bool]]] = {
    "relationship": (
        select(Doc.id).join(Doc.author).where(Author.country == "country 3"),
        lambda row: author_of(row) % 5 == 3,
    ),
    "onclause": (
        select(Doc.id, Author.name)
        .join(Author, Author.id == Doc.author_id)
        .where(Author.name == "author 3"),
        lambda row: author_of(row) == 3,
    ),
    "condition in the join": (
        select(Doc.id).join(Doc.author.and_(Author.name == "author 4")),
        lambda row: author_of(row) == 4,
    ),
    "alias": (
        select(Doc.id).join(Doc.author.of_type(Writer)).where(Writer.id < 5),
        lambda row: author_of(row) < 5,
    ),
    "from the other side": (
        select(Doc.id).select_from(Author).join(Author.docs).where(Author.id == 6),
        lambda row: author_of(row) == 6,
    ),
    "from another entity selected first": (
        select(Author.name, Doc.id).join(Doc).where(Author.id == 6),
        lambda row: author_of(row) == 6,
    ),
    "from another entity, by an onclause": (
        select(Author, Doc.id).join(Doc, Doc.author_id == Author.id).where(Doc.n < 30),
        lambda row: row % 100 < 30,
    ),
    "both entities selected": (
        select(Doc, Doc.id, Tag).join(Doc.tags).where(Tag.name == "tag 1"),
        lambda row: "tag 1" in tags_of(row),
    ),
    "both entities selected, comma": (
        select(Doc.id, Author.name).where(Doc.author_id == Author.id, Author.id < 3),
        lambda row: author_of(row) < 3,
    ),
    "a subquery selected": (
        select(Doc.id, last.scalar_subquery().label("tag")).where(Doc.n < 30),
        lambda row: row % 100 < 30,
    ),
    "join_from": (
        select(Doc.id).join_from(Author, Doc).where(Author.id == 6),
        lambda row: author_of(row) == 6,
    ),
    "comma": (
        select(Doc.id).where(Doc.author_id == Author.id, Author.id == 7),
        lambda row: author_of(row) == 7,
    ),
    "outer": (
        select(Doc.id).outerjoin(Doc.tags).where(Tag.id.is_(None)),
        lambda row: not tags_of(row),
    ),
    "outer, filter on the table alone": (
        select(Doc.id).outerjoin(Doc.author).where(Doc.n < 5),
        lambda row: row % 100 < 5,
    ),
    "two": (
        select(Doc.id)
        .join(Doc.author)
        .join(Doc.tags)
        .where(Author.id < 9, Tag.name == "tag 1"),
        lambda row: author_of(row) < 9 and "tag 1" in tags_of(row),
    ),
    "many to many": (
        select(Doc.id).join(Doc.topics).where(Topic.name == "topic 2"),
        lambda row: 2 in topics_of(row),
    ),
    "tables": (
        select(TABLE.c.id).join(AUTHORS).where(AUTHORS.c.id == 8),
        lambda row: author_of(row) == 8,
    ),
    "join object": (
        select(TABLE.c.id)
        .select_from(TABLE.join(AUTHORS).join(TAGS, TAGS.c.doc_id == TABLE.c.id))
        .where(AUTHORS.c.id < 9, TAGS.c.name == "tag 1"),
        lambda row: author_of(row) < 9 and "tag 1" in tags_of(row),
    ),
    "subquery": (
        select(Doc.id).join(counts, counts.c.doc_id == Doc.id).where(counts.c.tags > 2),
        lambda row: row % 4 == 3,
    ),
    "lateral": (
        # told apart from `distance` and `seen`, which could stand left of it too
        select(Doc.id)
        .select_from(Doc)
        .join(last_tag, true())
        .where(last_tag.c.name == "tag 2"),
        lambda row: tags_of(row)[-1:] == ["tag 2"],
    ),
    "CTE": (
        select(Doc.id).join(picked, picked.c.id == Doc.author_id),
        lambda row: author_of(row) % 5 == 3,
    ),
    "with any": (
        select(Doc.id).join(Doc.author).where(Doc.tags.any(), Author.id == 4),
        lambda row: author_of(row) == 4 and bool(tags_of(row)),
    ),
}


def column_of(name: str) -> Any:
    return TABLE.c.embedding if name in ("tables", "join object") else Doc.embedding


@pytest.mark.parametrize("name", JOINS)
def test_a_join_filters_the_first_pass(
    library: Library, session: Session, name: str
) -> None:
    statement, holds = JOINS[name]
    searched = search(statement.add_columns(seen), column_of(name), QUERY)
    rows = ask(session, searched)
    among = rows_where(holds)
    assert [row.id for row in rows] == exact(library.vectors, QUERY, among)
    assert len(rows) == 10 <= len(among)
    assert {row.seen for row in rows} == {min(160, len(among))}


def test_a_join_to_many_repeats_a_row_that_counts_once(
    library: Library, session: Session
) -> None:
    searched = search(select(Doc.id, Tag.name).join(Doc.tags), Doc.embedding, QUERY)
    rows = ask(session, searched)
    truth = exact(library.vectors, QUERY, rows_where(lambda row: row % 4 > 0))
    assert [*dict.fromkeys(row.id for row in rows)] == truth
    assert sorted((row.id, row.name) for row in rows) == sorted(
        (key, name) for key in truth for name in tags_of(key)
    )


def test_joins_after_the_search_see_its_answers_only(
    library: Library, session: Session
) -> None:
    truth = exact(library.vectors, QUERY)
    searched = search(select(Doc.id, Author.name), Doc.embedding, QUERY)
    rows = ask(session, searched.join(Doc.author))
    assert [tuple(row) for row in rows] == [
        (key, f"author {author_of(key)}") for key in truth
    ]
    entity = search(select(Doc, distance), Doc.embedding, QUERY)
    rows = ask(session, entity.join(Doc.tags).where(Tag.name == "tag 1"))
    assert [row.Doc.id for row in rows] == [k for k in truth if "tag 1" in tags_of(k)]
    rows = ask(session, entity.outerjoin(Tag, Tag.doc_id == Doc.id).add_columns(Tag.id))
    assert [*dict.fromkeys(row.Doc.id for row in rows)] == truth
    assert len(rows) == sum(max(1, len(tags_of(key))) for key in truth)


def test_a_join_of_tables_after_the_search(library: Library, session: Session) -> None:
    searched = search(select(TABLE.c.id, AUTHORS.c.name), TABLE.c.embedding, QUERY)
    rows = ask(session, searched.join(AUTHORS, AUTHORS.c.id == TABLE.c.author_id))
    assert [row.id for row in rows] == exact(library.vectors, QUERY)
    many = select(TABLE.c.id, doc_topics.c.topic_id)
    searched = search(many, TABLE.c.embedding, QUERY).join(doc_topics)
    pairs = {(row.id, row.topic_id) for row in ask(session, searched)}
    truth = exact(library.vectors, QUERY)
    assert pairs == {(key, topic) for key in truth for topic in topics_of(key)}


def test_contains_eager_fills_the_relationship(
    library: Library, session: Session
) -> None:
    statement = (
        select(Doc)
        .join(Doc.tags)
        .where(Tag.name == "tag 1")
        .options(contains_eager(Doc.tags))
    )
    rows = ask(session, search(statement, Doc.embedding, QUERY), unique=True)
    among = rows_where(lambda row: "tag 1" in tags_of(row))
    assert [doc.id for (doc,) in rows] == exact(library.vectors, QUERY, among)
    assert all([tag.name for tag in doc.tags] == ["tag 1"] for (doc,) in rows)


LOADS: dict[str, Any] = {
    "selectinload": [selectinload(Doc.tags), selectinload(Doc.topics)],
    "joinedload": [joinedload(Doc.tags), joinedload(Doc.author)],
    "joinedload, inner": [joinedload(Doc.author, innerjoin=True), joinedload(Doc.tags)],
    "subqueryload": [subqueryload(Doc.tags), subqueryload(Doc.author)],
    "nested": [joinedload(Doc.author).selectinload(Author.docs)],
    "nothing": [],
}


@pytest.mark.parametrize("limit", [None, 4], ids=["all", "limit"])
@pytest.mark.parametrize("join", [False, True], ids=["alone", "joined"])
@pytest.mark.parametrize("name", LOADS)
def test_what_is_loaded_with_the_answers(
    library: Library, session: Session, name: str, join: bool, limit: int | None
) -> None:
    statement = select(Doc, distance).options(*LOADS[name])
    if join:
        statement = statement.join(Doc.author).where(Author.id < 20)
    searched = search(statement, Doc.embedding, QUERY).limit(limit)
    rows = loaded(session, searched)
    among = rows_where(lambda row: not join or author_of(row) < 20)
    truth = exact(library.vectors, QUERY, among)[:limit]
    assert [doc.id for doc, _ in rows] == truth
    given = [row.distance for row in rows]
    assert given == sorted(given)
    with sending(library.engine) as sent:
        for doc, _ in rows:
            for relation in ("tags", "author", "topics"):
                if relation not in inspect(doc).unloaded:
                    continue
                assert all(relation not in str(o.path) for o in LOADS[name])
            assert doc.author.id == author_of(doc.id)
            assert [tag.name for tag in doc.tags] == tags_of(doc.id)
    assert not sent.searches


def loaded(session: Session, statement: Any) -> list[Any]:
    return [*session.execute(statement).unique()]


OPTIONS: dict[str, ORMOption] = {
    "load_only": load_only(Doc.title),
    "defer": defer(Doc.embedding),
    "raiseload": raiseload("*"),
    "undefer": undefer(Doc.embedding),
}


@pytest.mark.parametrize("name", OPTIONS)
def test_options_say_what_is_read(
    library: Library, session: Session, name: str
) -> None:
    statement = select(Doc).options(OPTIONS[name]).where(Doc.n < 50)
    rows = ask(session, search(statement, Doc.embedding, QUERY))
    among = rows_where(lambda row: row % 100 < 50)
    assert [doc.id for (doc,) in rows] == exact(library.vectors, QUERY, among)
    for (doc,) in rows:
        assert ("embedding" in inspect(doc).unloaded) == (
            name in ("load_only", "defer")
        )
        assert doc.title == f"title {doc.id}"
    if name == "raiseload":
        with pytest.raises(InvalidRequestError, match="raise"):
            _ = rows[0][0].author


def test_every_row_can_be_joined(library: Library, session: Session) -> None:
    statement = select(Doc.id).join(Doc.author)
    searched = search(statement, Doc.embedding, QUERY, k=ROWS)
    rows = ask(session, searched)
    assert [row.id for row in rows] == exact(library.vectors, QUERY, k=ROWS)
