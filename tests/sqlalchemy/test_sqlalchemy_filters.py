"""What a Select filters by goes into the first pass, which goes on until it has k."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import (
    Boolean,
    ColumnElement,
    and_,
    event,
    exists,
    false,
    func,
    literal_column,
    not_,
    or_,
    select,
    text,
    true,
    tuple_,
)
from sqlalchemy.orm import ORMExecuteState, Session, aliased, with_loader_criteria
from support.search_models import (
    INDEX,
    Author,
    Doc,
    HasLanguage,
    Library,
    Tag,
    Topic,
    ask,
    author_of,
    exact,
    lang_of,
    library_fixture,
    open_engine,
    rows_where,
    tags_of,
    topics_of,
)
from support.vectors import matryoshka

from mrl_pg.sqlalchemy import distance, search, seen

QUERY = matryoshka(2, seed=9)[0]
Rows = Callable[[int], bool]


library = library_fixture()


@pytest.fixture
def session(library: Library) -> Iterator[Session]:
    with Session(library.engine) as session:
        yield session


def year(row: int) -> int:
    return 1990 + row % 30


rare = select(Tag.doc_id).where(Tag.name == "tag 3").cte("rare")
recursive = select(func.min(Doc.id).label("id")).cte("every_third", recursive=True)
recursive = recursive.union_all(
    select(recursive.c.id + 3).where(recursive.c.id < 3000 - 3)
)
other = aliased(Doc)
oldest = select(func.min(Author.id)).where(Author.country == "country 2")
last_tag = select(Tag.name).where(Tag.doc_id == Doc.id).order_by(Tag.id.desc()).limit(1)
OWN: dict[str, tuple[ColumnElement[bool], Rows]] = {
    "equal": (Doc.lang == "en", lambda row: lang_of(row) == "en"),
    "one in a hundred": (Doc.n == 7, lambda row: row % 100 == 7),
    "in": (Doc.n.in_([1, 2, 50]), lambda row: row % 100 in (1, 2, 50)),
    "in nothing": (Doc.n.in_([]), lambda row: False),
    "or": (or_(Doc.n < 3, Doc.lang == "fr"), lambda r: r % 100 < 3 or r % 3 == 2),
    "not": (not_(and_(Doc.n > 4, Doc.n < 99)), lambda r: not 4 < r % 100 < 99),
    "like": (Doc.title.like("title %7"), lambda row: row % 10 == 7),
    "contains a percent sign": (
        Doc.title.contains("%", autoescape=True),
        lambda row: False,
    ),
    "json": (Doc.meta["year"].as_integer() == 2000, lambda row: year(row) == 2000),
    "json contains": (Doc.meta.contains({"year": 2001}), lambda r: year(r) == 2001),
    "json has key": (Doc.meta.has_key("month"), lambda row: False),
    "tuple": (
        tuple_(Doc.n, Doc.lang).in_([(3, "de"), (4, "en")]),
        lambda r: (r % 100, lang_of(r)) in ((3, "de"), (4, "en")),
    ),
    "literal": (Doc.title == "{:%braces} 'n' \\", lambda row: False),
    "function": (func.mod(Doc.id, 50) == 0, lambda row: row % 50 == 0),
    "is not null": (Doc.embedding.is_not(None), lambda row: True),
    "true": (true(), lambda row: True),
    "false": (false(), lambda row: False),
    "text": (text("docs.n % 10 = 4"), lambda row: row % 10 == 4),  # type: ignore[dict-item]
    "text with values": (
        text("docs.n between :low and :high").bindparams(low=20, high=22),  # type: ignore[dict-item]
        lambda row: 20 <= row % 100 <= 22,
    ),
    "text with or": (
        text("docs.n = 4 or docs.n = 6"),  # type: ignore[dict-item]
        lambda row: row % 100 in (4, 6),
    ),
    "text with or beside another": (
        and_(Doc.lang == "en", text("(docs.n = 4 or docs.n = 6)")),
        lambda row: row % 100 in (4, 6) and lang_of(row) == "en",
    ),
    "literal column with or": (
        literal_column("docs.n = 4 or docs.n = 6", Boolean),
        lambda row: row % 100 in (4, 6),
    ),
    "exists": (
        exists().where(Tag.doc_id == Doc.id, Tag.name == "tag 3"),
        lambda row: "tag 3" in tags_of(row),
    ),
    "not exists": (
        ~select(Tag.id).where(Tag.doc_id == Doc.id).exists(),
        lambda row: not tags_of(row),
    ),
    "any": (Doc.tags.any(Tag.name == "tag 8"), lambda row: "tag 8" in tags_of(row)),
    "any of many to many": (
        Doc.topics.any(Topic.name == "topic 5"),
        lambda row: 5 in topics_of(row),
    ),
    "not any": (~Doc.tags.any(), lambda row: not tags_of(row)),
    "has": (
        Doc.author.has(Author.country == "country 4"),
        lambda row: author_of(row) % 5 == 4,
    ),
    "in a subquery": (
        Doc.author_id.in_(select(Author.id).where(Author.name.like("author %1"))),
        lambda row: author_of(row) % 10 == 1,
    ),
    "scalar subquery": (
        Doc.author_id == oldest.scalar_subquery(),
        lambda row: author_of(row) == 2,
    ),
    "correlated scalar subquery": (
        last_tag.scalar_subquery() == "tag 2",
        lambda row: tags_of(row)[-1:] == ["tag 2"],
    ),
    "in a CTE": (
        Doc.id.in_(select(rare.c.doc_id)),
        lambda row: "tag 3" in tags_of(row),
    ),
    "in a recursive CTE": (
        Doc.id.in_(select(recursive.c.id)),
        lambda row: row % 3 == 1,
    ),
    "the same table again": (
        exists().where(other.id == Doc.id + 1, other.n == 0),
        lambda row: row % 100 == 99 and row < 3000,
    ),
    "all at once": (
        and_(
            Doc.lang == "de",
            Doc.tags.any(Tag.name.like("tag %")),
            Doc.meta["year"].as_integer() >= 2000,
            text("docs.title like '%0'"),
        ),
        lambda r: r % 3 == 0 and bool(tags_of(r)) and year(r) >= 2000 and r % 10 == 0,
    ),
}


@pytest.mark.parametrize("name", OWN)
def test_filters_on_the_table_are_in_the_first_pass(
    library: Library, session: Session, name: str
) -> None:
    condition, holds = OWN[name]
    searched = search(select(Doc.id, seen).where(condition), Doc.embedding, QUERY)
    # the planner sees that nothing can come, and scans nothing
    scans = [] if name in ("false", "in nothing") else [INDEX]
    rows = ask(session, searched, scans=scans)
    among = rows_where(holds)
    assert [row.id for row in rows] == exact(library.vectors, QUERY, among)
    assert len(rows) == min(10, len(among))


def test_a_filter_beside_one_of_the_answers_is_in_the_first_pass(
    library: Library, session: Session
) -> None:
    """`where(a, b)` and `where(and_(a, b))` are the same."""
    among = rows_where(lambda row: lang_of(row) == "en" and row % 100 < 40)
    both = and_(Doc.lang == "en", and_(distance < 2, Doc.n < 40))
    rows = ask(session, search(select(Doc.id, seen).where(both), Doc.embedding, QUERY))
    assert [row.id for row in rows] == exact(library.vectors, QUERY, among)


@pytest.mark.parametrize("name", OWN)
def test_an_exact_search_filters_alike(
    library: Library, session: Session, name: str
) -> None:
    condition, holds = OWN[name]
    searched = search(select(Doc).where(condition), Doc.embedding, QUERY, exact=True)
    docs = session.scalars(searched).all()
    assert [doc.id for doc in docs] == exact(library.vectors, QUERY, rows_where(holds))


CRITERIA: dict[str, Any] = {
    "of the entity": with_loader_criteria(Doc, Doc.lang == "en"),
    "by a function": with_loader_criteria(Doc, lambda cls: cls.lang == "en"),
    "of a mixin": with_loader_criteria(
        HasLanguage, lambda cls: cls.lang == "en", include_aliases=True
    ),
}


@pytest.mark.parametrize("name", CRITERIA)
@pytest.mark.parametrize("how", ["option", "option after", "event"])
def test_criteria_of_the_entity_filter_the_first_pass(
    library: Library, name: str, how: str
) -> None:
    option, among = CRITERIA[name], rows_where(lambda row: lang_of(row) == "en")
    statement = select(Doc.id).where(Doc.n < 40)
    if how == "option":
        statement = statement.options(option)
    searched = search(statement, Doc.embedding, QUERY)
    if how == "option after":
        searched = searched.options(option)
    with Session(library.engine) as session:
        if how == "event":
            event.listen(session, "do_orm_execute", lambda state: add(state, option))
        for _ in range(2):
            rows = ask(session, searched)
            truth = exact(library.vectors, QUERY, [i for i in among if i % 100 < 40])
            assert [row.id for row in rows] == truth
    with Session(library.engine) as session:
        rows = ask(session, search(select(Doc.id), Doc.embedding, QUERY))
        assert [row.id for row in rows] == exact(library.vectors, QUERY)


def add(state: ORMExecuteState, option: Any) -> None:
    state.statement = state.statement.options(option)


def test_a_selective_filter_in_a_session_with_default_costs(library: Library) -> None:
    engine = open_engine(library.url, forced=False)
    with Session(engine) as session:
        for condition, holds in (OWN["one in a hundred"], OWN["any"], OWN["has"]):
            searched = search(select(Doc.id).where(condition), Doc.embedding, QUERY)
            ids = session.scalars(searched).all()
            assert ids == exact(library.vectors, QUERY, rows_where(holds))
    engine.dispose()
