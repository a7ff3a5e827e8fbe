"""A Select made a search: what it selects, and that two passes answered it."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from pgvector import HalfVector, Vector
from sqlalchemy import Float, func, label, literal, select
from sqlalchemy.orm import Session, aliased
from support.plans import indexes
from support.search_models import (
    INDEX,
    SESSION,
    SMALL,
    Author,
    Doc,
    Library,
    ask,
    exact,
    explained,
    library_fixture,
    rows_where,
    sending,
    settings,
)
from support.vectors import TOLERANCE, distances, matryoshka

from mrl_pg import IndexNotFound, InvalidSetting, MatryoshkaIndex
from mrl_pg.sqlalchemy import distance, indexes_of, search, seen
from mrl_pg.sqlalchemy.select import SelectKeywords

QUERIES = matryoshka(6, seed=9)
QUERY = QUERIES[0]
TABLE = Doc.__table__
EVEN = rows_where(lambda row: row % 2 == 0)


library = library_fixture()


@pytest.fixture
def session(library: Library) -> Iterator[Session]:
    with Session(library.engine) as session:
        yield session


def test_two_passes_answer_what_exact_search_does(
    library: Library, session: Session
) -> None:
    shares = []
    for query in QUERIES:
        rows = ask(session, search(select(Doc, distance), Doc.embedding, query))
        keys = [doc.id for doc, _ in rows]
        far = distances(library.vectors, query, "cosine")
        given = [row.distance for row in rows]
        assert np.allclose(given, [far[key - 1] for key in keys], atol=TOLERANCE)
        assert given == sorted(given)
        assert len(set(keys)) == 10
        shares.append(len({*keys} & {*exact(library.vectors, query)}) / 10)
    assert np.mean(shares) >= 0.98


def keys_of(rows: list[Any]) -> list[int]:
    """The key in a row's first place, an entity's or a column's."""
    return [getattr(row[0], "id", row[0]) for row in rows]


D = aliased(Doc)
T = TABLE.alias("t")
SELECTED: dict[str, tuple[Any, Any]] = {
    "entity": (select(Doc), Doc.embedding),
    "entity and distance": (select(Doc, distance), Doc.embedding),
    "columns and label": (select(Doc.id, distance.label("d")), Doc.embedding),
    "columns": (select(Doc.id, Doc.title), Doc.embedding),
    "one column": (select(Doc.id), Doc.embedding),
    "labels": (select(Doc.id.label("distance"), Doc.n.label("seen")), Doc.embedding),
    "table": (select(TABLE), TABLE.c.embedding),
    "table's columns": (select(TABLE.c.id, distance), TABLE.c.embedding),
    "table's alias": (select(T.c.id, distance, seen), T.c.embedding),
    "aliased entity": (select(D, distance), D.embedding),
    "aliased columns": (select(D.id), D.embedding),
    "select_from": (select(Doc.id, literal(1)).select_from(Doc), Doc.embedding),
    "entity by column of the table": (select(Doc), TABLE.c.embedding),
}


@pytest.mark.parametrize("filtered", [False, True], ids=["all", "filtered"])
@pytest.mark.parametrize("name", SELECTED)
def test_whatever_is_selected(
    library: Library, session: Session, name: str, filtered: bool
) -> None:
    statement, column = SELECTED[name]
    if filtered:
        entity = D if name.startswith("aliased") else Doc
        mapped = hasattr(column, "class_")
        key = entity.id if mapped else column.table.c.id
        statement = statement.where(key % 2 == 0)
    rows = ask(session, search(statement, column, QUERY))
    among = EVEN if filtered else None
    assert keys_of(rows) == exact(library.vectors, QUERY, among)


def test_distance_and_seen_are_columns(session: Session) -> None:
    statement = select(
        Doc.id,
        distance,
        (1 - distance).label("similarity"),
        func.round(distance * 100).label("percent"),
        label("d", distance),
        seen,
    )
    rows = ask(session, search(statement, Doc.embedding, QUERY, candidates=50))
    for row in rows:
        assert row.similarity == pytest.approx(1 - row.distance)
        assert row.percent == round(row.distance * 100)
        assert row.d == row.distance
        assert row.seen == 50
    assert isinstance(distance.type, Float)


def test_distance_in_where_leaves_out_answers(
    library: Library, session: Session
) -> None:
    far = sorted(distances(library.vectors, QUERY, "cosine"))
    limit = (far[3] + far[4]) / 2
    truth = exact(library.vectors, QUERY)[:4]
    statement = select(Doc.id)
    for searched in (
        search(statement, Doc.embedding, QUERY).where(distance < limit),
        search(statement.where(distance < limit), Doc.embedding, QUERY),
    ):
        assert keys_of(ask(session, searched)) == truth


def test_a_filter_after_the_search_sees_its_answers_only(
    library: Library, session: Session
) -> None:
    searched = search(select(Doc.id), Doc.embedding, QUERY).where(Doc.id % 2 == 0)
    truth = [key for key in exact(library.vectors, QUERY) if key % 2 == 0]
    assert keys_of(ask(session, searched)) == truth
    assert len(truth) < 10


def test_exact_compares_every_row_without_an_index(
    library: Library, session: Session
) -> None:
    for among, where in ((None, []), (EVEN, [Doc.id % 2 == 0])):
        statement = select(Doc.id, seen).where(*where)
        with sending(library.engine) as sent:
            rows = session.execute(
                search(statement, Doc.embedding, QUERY, exact=True, k=20)
            ).all()
        assert keys_of([*rows]) == exact(library.vectors, QUERY, among, 20)
        assert {row.seen for row in rows} == {None}
        root = explained(session.connection(), sent.searches[0])
        assert {INDEX, SMALL}.isdisjoint(indexes(root))
        assert settings(session.connection()) == SESSION


def test_another_size_than_the_first_declared(
    library: Library, session: Session
) -> None:
    small = indexes_of(Doc)[1]
    assert small.dims == 16
    ways: list[SelectKeywords] = [
        {"dims": 16, "candidates": 600},
        {"kind": small.kind, "candidates": 600},
        {"dims": 16, "kind": small.kind, "candidates": 600},
    ]
    asked = select(Doc.id, seen)
    for searched in [
        search(asked, Doc.embedding, QUERY, index=small, candidates=600),
        *(search(asked, Doc.embedding, QUERY, **way) for way in ways),
    ]:
        rows = ask(session, searched, scans=[SMALL])
        assert keys_of(rows) == exact(library.vectors, QUERY)
        assert {row.seen for row in rows} == {600}


def test_a_size_that_is_not_declared() -> None:
    with pytest.raises(IndexNotFound, match=r"of dims=48, kind=None: there are .+16"):
        search(select(Doc.id), Doc.embedding, QUERY, dims=48)
    with pytest.raises(InvalidSetting, match="dims=16 chooses among the indexes"):
        search(select(Doc), Doc.embedding, QUERY, index=indexes_of(Doc)[1], dims=16)


def test_an_index_that_no_model_declares(library: Library) -> None:
    index = MatryoshkaIndex("docs", "embedding", dims=16, kind="vector")
    with Session(library.engine) as session:
        searched = search(select(Doc.id), Doc.embedding, QUERY, index=index)
        assert len(ask(session, searched, scans=[SMALL])) == 10


EFFORTS: list[tuple[int, dict[str, int], int, float]] = [
    # k, options, candidates seen, least recall
    (1, {"candidates": 1}, 1, 0),
    (10, {"candidates": 10}, 10, 0.2),
    (7, {"candidates": 50, "ef_search": 900}, 50, 0.8),
    (10, {}, 160, 0.9),
    (100, {}, 800, 0.97),
    (200, {"candidates": 1500}, 1500, 0.97),
    (900, {"candidates": 2000, "max_scan_tuples": 5000}, 2000, 0.9),
]


@pytest.mark.parametrize(("k", "options", "handed", "floor"), EFFORTS)
def test_candidates_are_as_many_as_asked(
    library: Library,
    session: Session,
    k: int,
    options: dict[str, Any],
    handed: int,
    floor: float,
) -> None:
    rows = ask(
        session, search(select(Doc.id, seen), Doc.embedding, QUERY, k=k, **options)
    )
    assert len(rows) == k
    assert {row.seen for row in rows} == {handed}
    truth = exact(library.vectors, QUERY, k=k)
    assert len({*keys_of(rows)} & {*truth}) / k >= floor


def test_more_candidates_find_more(library: Library, session: Session) -> None:
    means = []
    for candidates in (10, 40, 400):
        shares = [
            len({*keys_of(ask(session, searched))} & {*exact(library.vectors, query)})
            for query in QUERIES
            for searched in [
                search(select(Doc), Doc.embedding, query, candidates=candidates)
            ]
        ]
        means.append(np.mean(shares) / 10)
    assert means[0] < means[1] <= means[2]
    assert means[2] >= 0.99


def test_more_rows_than_there_are(library: Library, session: Session) -> None:
    searched = search(select(Doc.id), Doc.embedding, QUERY, k=5000)
    rows = ask(session, searched)
    assert keys_of(rows) == exact(library.vectors, QUERY, k=5000)


def test_a_scan_cut_short_is_seen(session: Session) -> None:
    searched = search(
        select(Doc.id, seen).where(Doc.id < 30),
        Doc.embedding,
        QUERY,
        max_scan_tuples=1,
        candidates=20,
    )
    rows = ask(session, searched)
    assert all(row.seen < 20 for row in rows)
    assert len(rows) < 10


QUERY_TYPES: dict[str, Callable[[Any], Any]] = {
    "list": lambda q: q.tolist(),
    "tuple": lambda q: tuple(q.tolist()),
    "float16": lambda q: q.astype(np.float16),
    "float64": lambda q: q.astype(np.float64),
    "Vector": Vector,
    "HalfVector": HalfVector,
}


@pytest.mark.parametrize("name", QUERY_TYPES)
def test_a_query_of_any_type_gives_the_same_answer(session: Session, name: str) -> None:
    # of halves, so that no type has to round it
    half = QUERY.astype(np.float16).astype(np.float32)
    statement = select(Doc.id, distance)
    expected = session.execute(search(statement, Doc.embedding, half)).all()
    given = QUERY_TYPES[name](half)
    assert ask(session, search(statement, Doc.embedding, given)) == expected


def test_another_entity_may_come_first(library: Library, session: Session) -> None:
    searched = search(select(Author, Doc.id).join(Author.docs), Doc.embedding, QUERY)
    rows = ask(session, searched)
    assert [row.id for row in rows] == exact(library.vectors, QUERY)
    assert all(row.Author.id == row.id % 40 + 1 for row in rows)
