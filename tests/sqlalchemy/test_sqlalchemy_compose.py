"""A search as a part of other statements: pages, orders, subqueries, unions, locks."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from psycopg import errors
from sqlalchemy import (
    Float,
    cast,
    delete,
    except_,
    exists,
    func,
    insert,
    intersect,
    literal,
    or_,
    select,
    text,
    union,
    union_all,
    update,
)
from sqlalchemy.dialects.postgresql import aggregate_order_by
from sqlalchemy.orm import Session, aliased
from support.databases import connect
from support.plans import first_pass
from support.search_models import (
    INDEX,
    ROWS,
    SESSION,
    Author,
    Doc,
    Library,
    Tag,
    ask,
    author_of,
    exact,
    explained,
    library_fixture,
    rows_where,
    sending,
    settings,
    tags_of,
)
from support.vectors import TOLERANCE, distances, matryoshka

from mrl_pg.errors import InvalidStatement
from mrl_pg.sqlalchemy import distance, search, seen

ONE, OTHER = matryoshka(2, seed=9)
EVEN = rows_where(lambda row: row % 2 == 0)


library = library_fixture()


@pytest.fixture
def session(library: Library) -> Iterator[Session]:
    with Session(library.engine) as session:
        yield session


def even(query: Any, **options: Any) -> Any:
    """The even rows nearest to a query, as keys and distances."""
    statement = select(Doc.id, distance).where(Doc.id % 2 == 0)
    return search(statement, Doc.embedding, query, **options)


def test_pages_are_parts_of_one_answer(library: Library, session: Session) -> None:
    long = ask(session, even(ONE, k=30))
    assert [row.id for row in long] == exact(library.vectors, ONE, EVEN, 30)
    for first in range(0, 40, 8):
        page = ask(session, even(ONE, k=30).limit(8).offset(first))
        assert page == long[first : first + 8]
    assert ask(session, even(ONE, k=30).slice(3, 5)) == long[3:5]
    assert ask(session, even(ONE, k=30).fetch(5)) == long[:5]


def test_another_order_afterwards(library: Library, session: Session) -> None:
    truth = exact(library.vectors, ONE, EVEN)
    by_key = even(ONE).order_by(None).order_by(Doc.id.desc())
    assert [row.id for row in ask(session, by_key)] == sorted(truth, reverse=True)
    tied = even(ONE).order_by(None).order_by(Doc.id % 3, distance)
    assert [row.id for row in ask(session, tied)] == sorted(truth, key=lambda k: k % 3)
    nearest_first = even(ONE).order_by(Doc.title)
    assert [row.id for row in ask(session, nearest_first)] == truth


def test_aggregates_are_of_the_answers(library: Library, session: Session) -> None:
    truth = exact(library.vectors, ONE, EVEN, 50)
    counted = select(
        func.count(),
        func.count(Doc.id).filter(Doc.id % 3 == 1),
        func.min(distance) + 0,
        func.array_agg(aggregate_order_by(Doc.id, distance)),
    ).where(Doc.id % 2 == 0)
    ((count, english, nearest, keys),) = ask(
        session, search(counted, Doc.embedding, ONE, k=50)
    )
    assert (count, english) == (50, sum(key % 3 == 1 for key in truth))
    assert nearest == pytest.approx(ask(session, even(ONE, k=1))[0].distance)
    assert keys == truth
    # a window is over rows, which keep their order
    ranked = select(Doc.id, func.count().over()).where(Doc.id % 2 == 0)
    rows = ask(session, search(ranked, Doc.embedding, ONE, k=50))
    assert [tuple(row) for row in rows] == [(key, 50) for key in truth]


def test_distinct_and_groups_of_the_answers(library: Library, session: Session) -> None:
    truth = exact(library.vectors, ONE, EVEN, 50)
    found = search(
        select(Doc.id, Doc.lang).where(Doc.id % 2 == 0), Doc.embedding, ONE, k=50
    )
    hits = found.subquery()
    grouped = select(hits.c.lang, func.count()).group_by(hits.c.lang)
    counted = {lang: count for lang, count in ask(session, grouped)}
    assert sum(counted.values()) == 50
    assert counted["en"] == sum(key % 3 == 1 for key in truth)
    distinct = ask(session, select(hits.c.lang).distinct())
    assert {lang for (lang,) in distinct} == {*counted}


@pytest.mark.parametrize("form", ["subquery", "cte", "nesting cte", "lateral"])
def test_a_search_inside_another_select(
    library: Library, session: Session, form: str
) -> None:
    found = even(ONE, k=20)
    hits: Any = {
        "subquery": found.subquery,
        "cte": lambda: found.cte("hits"),
        "nesting cte": lambda: found.cte("hits", nesting=True),
        "lateral": found.lateral,
    }[form]()
    outer = (
        select(Doc.title, Author.id, hits.c.distance)
        .join(hits, hits.c.id == Doc.id)
        .join(Doc.author)
        .where(Author.id % 5 == 1)
        .order_by(hits.c.distance)
    )
    truth = [
        key for key in exact(library.vectors, ONE, EVEN, 20) if author_of(key) % 5 == 1
    ]
    rows = ask(session, outer)
    assert [row.title for row in rows] == [f"title {key}" for key in truth]
    far = distances(library.vectors, ONE, "cosine")
    assert np.allclose(
        [row.distance for row in rows], [far[k - 1] for k in truth], atol=TOLERANCE
    )


def test_entities_from_a_subquery(library: Library, session: Session) -> None:
    hits = search(select(Doc, distance), Doc.embedding, ONE).subquery()
    Found = aliased(Doc, hits)
    rows = ask(session, select(Found, hits.c.distance).order_by(hits.c.distance))
    assert [row[0].id for row in rows] == exact(library.vectors, ONE)
    assert isinstance(rows[0][0], Doc)


def test_answers_filter_another_table(library: Library, session: Session) -> None:
    truth = exact(library.vectors, ONE, EVEN)
    keys = search(select(Doc.id).where(Doc.id % 2 == 0), Doc.embedding, ONE)
    tags = ask(session, select(Tag).where(Tag.doc_id.in_(keys)))
    assert sorted(tag.id for (tag,) in tags) == sorted(
        10 * key + place for key in truth for place in range(len(tags_of(key)))
    )
    hits = keys.subquery()
    found = exists().where(Doc.author_id == Author.id, Doc.id == hits.c.id)
    authors = ask(session, select(Author.id).where(found).order_by(Author.id))
    assert [row.id for row in authors] == sorted({author_of(key) for key in truth})
    nearest = ask(
        session, select(even(ONE, k=1).with_only_columns(Doc.id).scalar_subquery())
    )
    assert nearest[0][0] == truth[0]


def test_answers_filter_their_own_table(library: Library, session: Session) -> None:
    """SQLAlchemy would take the table of the search for that of the statement."""
    writers = search(select(Doc.author_id), Doc.embedding, OTHER, k=3)
    wanted = {author_of(key) for key in exact(library.vectors, OTHER, k=3)}
    among = rows_where(lambda row: author_of(row) in wanted)
    by_them = select(Doc.id).where(Doc.author_id.in_(writers))
    rows = ask(session, by_them.order_by(Doc.id))
    assert [row.id for row in rows] == among
    # the filter stands in the first pass and again outside
    rows = ask(session, search(by_them, Doc.embedding, ONE), scans=[INDEX] * 3)
    assert [row.id for row in rows] == exact(library.vectors, ONE, among)


def test_answers_are_matched_with_the_row_outside(
    library: Library, session: Session
) -> None:
    found = search(select(Doc.id), Doc.embedding, ONE, k=30)
    theirs = found.where(Doc.author_id == Author.id).exists()
    rows = session.scalars(select(Author.id).where(theirs).order_by(Author.id)).all()
    truth = exact(library.vectors, ONE, k=30)
    assert [*rows] == sorted({author_of(key) for key in truth})


def test_exists_over_a_search(session: Session) -> None:
    for among, there in ((Doc.n == 4, True), (Doc.n == 400, False)):
        found = search(select(Doc.id).where(among), Doc.embedding, ONE).exists()
        assert session.scalar(select(found)) is there
    assert settings(session.connection()) == SESSION


SETS: dict[str, tuple[Any, Any]] = {
    "union": (union, set.union),
    "union all": (union_all, set.union),
    "intersect": (intersect, set.intersection),
    "except": (except_, set.difference),
}


@pytest.mark.parametrize("name", SETS)
def test_two_searches_in_a_compound_select(
    library: Library, session: Session, name: str
) -> None:
    combine, meaning = SETS[name]
    parts = [
        select(search(select(Doc.id), Doc.embedding, query, k=1500).subquery().c.id)
        for query in (ONE, OTHER)
    ]
    rows = ask(session, combine(*parts), scans=[INDEX, INDEX])
    one, other = (set(exact(library.vectors, query, k=1500)) for query in (ONE, OTHER))
    assert {row.id for row in rows} == meaning(one, other)
    assert len(rows) == (3000 if name == "union all" else len(meaning(one, other)))


def test_a_union_takes_one_search_as_it_is_and_more_as_subqueries(
    library: Library, session: Session
) -> None:
    one, other = even(ONE), even(OTHER)
    far = select(Doc.id, literal(9.0)).where(Doc.id == 1)
    rows = ask(session, union_all(one, far))
    assert [row.id for row in rows] == [*exact(library.vectors, ONE, EVEN), 1]
    # SQLAlchemy puts what a part of a union has in its WITH before the union
    with pytest.raises(InvalidStatement, match=r"union_all.*subquery"):
        session.execute(union_all(one, other))
    both = union_all(*(select(part.subquery()) for part in (one, other)))
    rows = ask(session, both, scans=[INDEX, INDEX])
    assert sorted(row.id for row in rows) == sorted(
        [*exact(library.vectors, ONE, EVEN), *exact(library.vectors, OTHER, EVEN)]
    )


def test_two_searches_joined_rank_together(library: Library, session: Session) -> None:
    one = search(select(Doc.id, distance), Doc.embedding, ONE, k=1000).subquery()
    other = search(select(Doc.id, distance), Doc.embedding, OTHER, k=900).subquery()
    total = one.c.distance + other.c.distance
    both = (
        select(Doc, total.label("total"))
        .join(one, one.c.id == Doc.id)
        .join(other, other.c.id == Doc.id)
        .order_by(total)
        .limit(10)
    )
    rows = ask(session, both, scans=[INDEX, INDEX])
    far = [distances(library.vectors, query, "cosine") for query in (ONE, OTHER)]
    within = set(exact(library.vectors, ONE, k=1000)) & set(
        exact(library.vectors, OTHER, k=900)
    )
    truth = sorted(within, key=lambda key: far[0][key - 1] + far[1][key - 1])[:10]
    assert [row.Doc.id for row in rows] == truth


def test_reciprocal_ranks_with_words(library: Library, session: Session) -> None:
    near = search(select(Doc.id, distance), Doc.embedding, ONE, k=40).subquery()
    ranked = select(
        near.c.id, func.row_number().over(order_by=near.c.distance).label("place")
    ).subquery()
    words = (
        select(Doc.id, func.row_number().over(order_by=Doc.id).label("place"))
        .where(Doc.title.like("%77"))
        .order_by(Doc.id)
        .limit(40)
        .subquery()
    )
    score = func.coalesce(1.0 / (60 + ranked.c.place), 0.0) + func.coalesce(
        1.0 / (60 + words.c.place), 0.0
    )
    hybrid = (
        select(Doc.id, cast(score, Float).label("score"))
        .outerjoin(ranked, ranked.c.id == Doc.id)
        .outerjoin(words, words.c.id == Doc.id)
        .where(or_(ranked.c.id.is_not(None), words.c.id.is_not(None)))
        .order_by(score.desc(), Doc.id)
    )
    rows = ask(session, hybrid)
    places = {key: i for i, key in enumerate(exact(library.vectors, ONE, k=40), 1)}
    words_at = {key: i for i, key in enumerate(range(77, ROWS + 1, 100), 1)}
    truth = {
        key: sum(1 / (60 + at[key]) for at in (places, words_at) if key in at)
        for key in {*places, *words_at}
    }
    assert [row.id for row in rows] == sorted(truth, key=lambda k: (-truth[k], k))


def test_answers_are_locked_and_no_other_row(library: Library) -> None:
    truth = exact(library.vectors, ONE, EVEN, 30)
    with Session(library.engine) as session:
        rows = ask(session, even(ONE).with_for_update(of=Doc))
        assert [row.id for row in rows] == truth[:10]
        with connect(library.url) as other:
            lock = "select from docs where id = %s for update nowait"
            with pytest.raises(errors.LockNotAvailable):
                other.execute(lock, [truth[9]])
            other.execute(lock, [truth[10]])


@pytest.mark.parametrize("when", ["before", "after"])
def test_rows_locked_by_others_are_skipped(library: Library, when: str) -> None:
    truth = exact(library.vectors, ONE, EVEN)
    statement = select(Doc.id).where(Doc.id % 2 == 0)
    with Session(library.engine) as session, Session(library.engine) as busy:
        busy.execute(select(Doc).where(Doc.id == truth[0]).with_for_update())
        if when == "before":
            statement = statement.with_for_update(of=Doc, skip_locked=True)
        searched = search(statement, Doc.embedding, ONE)
        if when == "after":
            searched = searched.with_for_update(of=Doc, skip_locked=True)
        assert session.scalars(searched).all() == truth[1:]


def test_a_search_says_what_is_changed(library: Library) -> None:
    keys = search(select(Doc.id).where(Doc.id % 2 == 0), Doc.embedding, ONE)
    truth = exact(library.vectors, ONE, EVEN)
    with Session(library.engine) as session:
        changes: list[Any] = [
            update(Doc).where(Doc.id.in_(keys)).values(n=-1).returning(Doc.id),
            insert(Tag)
            .from_select(
                ["id", "doc_id", "name"],
                keys.with_only_columns(-Doc.id, Doc.id, literal("near")),
            )
            .returning(Tag.doc_id),
            delete(Tag).where(Tag.doc_id.in_(keys)).returning(Tag.doc_id),
        ]
        for change in changes:
            with sending(library.engine) as sent:
                changed = {*session.scalars(change)}
            assert changed == {*truth}
            connection = session.connection()
            assert first_pass(explained(connection, sent.searches[0])) == [INDEX]
            assert settings(connection) == SESSION
        session.rollback()


def test_a_whole_search_as_text_in_a_cte(library: Library, session: Session) -> None:
    wanted = text("select id from authors where country = :c").bindparams(c="country 1")
    authors = wanted.columns(Author.id).cte("wanted")
    statement = select(Doc.id, seen).where(Doc.author_id.in_(select(authors.c.id)))
    rows = ask(session, search(statement, Doc.embedding, ONE))
    among = rows_where(lambda row: author_of(row) % 5 == 1)
    assert [row.id for row in rows] == exact(library.vectors, ONE, among)
