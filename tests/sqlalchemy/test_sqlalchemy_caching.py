"""Compiled once, executed with new queries and new values; prepared on the server."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import Engine, NullPool, QueuePool, bindparam, literal, select, text
from sqlalchemy.exc import StatementError
from sqlalchemy.orm import Session, selectinload
from support.plans import first_pass
from support.search_models import (
    INDEX,
    SESSION,
    SMALL,
    Author,
    Doc,
    Library,
    ask,
    author_of,
    exact,
    explained,
    library_fixture,
    open_engine,
    rows_where,
    sending,
    settings,
)
from support.vectors import matryoshka

from mrl_pg.errors import InvalidVector
from mrl_pg.sqlalchemy import distance, indexes_of, search, seen

QUERIES = matryoshka(12, seed=9)
ONE = QUERIES[0]


library = library_fixture()


@pytest.fixture
def fresh(library: Library) -> Iterator[Engine]:
    """An engine that has compiled nothing yet."""
    engine = open_engine(library.url)
    yield engine
    engine.dispose()


def plain(query: Any, above: int) -> Any:
    statement = select(Doc, distance).where(Doc.n > above)
    return search(statement, Doc.embedding, query)


def by_members(query: Any, above: int) -> Any:
    statement = (
        select(Doc)
        .join(Doc.author)
        .where(Author.id > above, Doc.tags.any())
        .options(selectinload(Doc.tags))
    )
    return search(statement, Doc.embedding, query)


def core(query: Any, above: int) -> Any:
    table = Doc.__table__
    statement = select(table.c.id).where(table.c.n > above)
    return search(statement, table.c.embedding, query)


def exact_search(query: Any, above: int) -> Any:
    statement = select(Doc.id).where(Doc.n > above)
    return search(statement, Doc.embedding, query, exact=True)


SHAPES = {"plain": plain, "members": by_members, "core": core, "exact": exact_search}


def holds(name: str, above: int) -> Callable[[int], bool]:
    if name == "members":
        return lambda row: author_of(row) > above and row % 4 > 0
    return lambda row: row % 100 > above


@pytest.mark.parametrize("name", SHAPES)
def test_the_second_time_nothing_is_compiled(
    library: Library, fresh: Engine, name: str
) -> None:
    with Session(fresh) as session, sending(fresh) as sent:
        for query, above in zip(QUERIES, range(5, 40, 3), strict=True):
            rows = session.execute(SHAPES[name](query, above)).all()
            found = [getattr(row[0], "id", row[0]) for row in rows]
            among = rows_where(holds(name, above))
            assert found == exact(library.vectors, query, among)
    assert sent.compiled == ["CACHE_MISS", *["CACHE_HIT"] * 11]
    assert len({text for text, _ in sent.searches}) == 1


VARIANTS: dict[str, dict[str, Any]] = {
    "plain": {},
    "k": {"k": 9},
    "candidates": {"candidates": 161},
    "ef_search": {"ef_search": 170},
    "max_scan_tuples": {"max_scan_tuples": 20001},
    "exact": {"exact": True},
    "index": {"index": indexes_of(Doc)[1]},
}


def test_other_efforts_do_not_share_a_statement(fresh: Engine) -> None:
    texts = set()
    with Session(fresh) as session:
        for name, options in VARIANTS.items():
            searched = search(select(Doc.id, seen), Doc.embedding, ONE, **options)
            with sending(fresh) as sent:
                rows = session.execute(searched).all()
                again = search(select(Doc.id, seen), Doc.embedding, ONE, **options)
                assert session.execute(again).all() == rows
            assert sent.compiled == ["CACHE_MISS", "CACHE_HIT"]
            texts.add(sent.searches[0][0])
            assert len(rows) == (9 if name == "k" else 10)
            assert {row.seen for row in rows} == {
                None if name == "exact" else options.get("candidates", 160)
            }
            scanned = first_pass(explained(session.connection(), sent.searches[0]))
            assert scanned == {"exact": [], "index": [SMALL]}.get(name, [INDEX])
    assert len(texts) == len(VARIANTS)


def test_filters_that_differ_do_not_share_a_statement(
    library: Library, session: Session
) -> None:
    truths = []
    for condition, holds in (
        (Doc.n > 50, lambda row: row % 100 > 50),
        (Doc.n < 50, lambda row: row % 100 < 50),
        (Doc.author.has(Author.id > 20), lambda row: author_of(row) > 20),
        (Doc.author.has(Author.id < 20), lambda row: author_of(row) < 20),
        (text("docs.n > 50"), lambda row: row % 100 > 50),
        (text("docs.n < 50"), lambda row: row % 100 < 50),
        (Doc.n.in_([1, 2]), lambda row: row % 100 in (1, 2)),
        (Doc.n.in_([1, 2, 3, 4]), lambda row: row % 100 in (1, 2, 3, 4)),
        (Doc.n.not_in([1]), lambda row: row % 100 != 1),
    ):
        searched = search(select(Doc.id).where(condition), Doc.embedding, ONE)
        truth = exact(library.vectors, ONE, rows_where(holds))
        assert [row.id for row in ask(session, searched)] == truth
        truths.append(truth)
    assert len({*map(tuple, truths)}) == 7


@pytest.fixture
def session(library: Library) -> Iterator[Session]:
    with Session(library.engine) as session:
        yield session


def test_a_query_given_at_the_execution(library: Library, session: Session) -> None:
    statement = select(Doc.id).where(Doc.n < bindparam("most"))
    searched = search(statement, Doc.embedding, bindparam("q"))
    for most, query in zip((90, 50, 20), QUERIES, strict=False):
        rows = ask(session, searched, {"q": query, "most": most})
        among = rows_where(lambda row, most=most: row % 100 < most)  # type: ignore[misc]
        assert [row.id for row in rows] == exact(library.vectors, query, among)
    with pytest.raises(StatementError, match="'q'"):
        session.execute(searched, {"most": 3})
    for wrong in (ONE[:5], [float("nan")] * 64, [0.0] * 64, None, "text"):
        with pytest.raises(StatementError) as caught, sending(library.engine) as sent:
            session.execute(searched, {"q": wrong, "most": 3})
        assert isinstance(caught.value.orig, InvalidVector)
        assert not sent.statements
    assert len(ask(session, searched, {"q": ONE.tolist(), "most": 90})) == 10


def test_a_query_that_comes_in_a_parameter(library: Library, session: Session) -> None:
    for query in (bindparam("q", ONE), bindparam(None, ONE), literal(ONE.tolist())):
        searched = search(select(Doc.id), Doc.embedding, query)
        rows = ask(session, searched)
        assert [row.id for row in rows] == exact(library.vectors, ONE)
    searched = search(select(Doc.id), Doc.embedding, bindparam("q", ONE))
    rows = ask(session, searched, {"q": QUERIES[1]})
    assert [row.id for row in rows] == exact(library.vectors, QUERIES[1])
    with pytest.raises(InvalidVector):
        search(select(Doc), Doc.embedding, literal(ONE[:5]))


def test_a_statement_made_once_serves_two_queries(
    library: Library, session: Session
) -> None:
    near = [
        search(
            select(Doc.id, distance), Doc.embedding, bindparam(name), k=1500
        ).subquery()
        for name in ("one", "other")
    ]
    both = select(near[0].c.id).join(near[1], near[1].c.id == near[0].c.id)
    rows = ask(
        session, both, {"one": QUERIES[1], "other": QUERIES[2]}, scans=[INDEX, INDEX]
    )
    truth = [set(exact(library.vectors, q, k=1500)) for q in QUERIES[1:3]]
    assert {row.id for row in rows} == truth[0] & truth[1]


@pytest.mark.parametrize("pool", [NullPool, QueuePool])
@pytest.mark.parametrize("threshold", [0, 1, None])
@pytest.mark.parametrize("mode", ["auto", "force_generic_plan", "force_custom_plan"])
def test_prepared_on_the_server(
    library: Library, pool: Any, threshold: int | None, mode: str
) -> None:
    engine = open_engine(
        library.url,
        poolclass=pool,
        connect_args={
            "prepare_threshold": threshold,
            "options": f"-c plan_cache_mode={mode}",
        },
    )
    try:
        for _ in range(2):
            with Session(engine) as session:
                for query, above in zip(QUERIES, range(20, 32), strict=False):
                    docs = session.scalars(plain(query, above)).all()
                    among = rows_where(lambda row, a=above: row % 100 > a)  # type: ignore[misc]
                    truth = exact(library.vectors, query, among)
                    assert [doc.id for doc in docs] == truth
                assert settings(session.connection()) == SESSION
                prepared = session.execute(
                    text(
                        "select generic_plans, custom_plans from"
                        " pg_prepared_statements where statement like 'WITH mrl_hits%'"
                    )
                ).all()
                if threshold is None:
                    assert not prepared
                    continue
                ((generic, custom),) = prepared
                # psycopg forgets them all at a rollback, which ends each session
                assert generic + custom == 12 - threshold
                if mode != "auto":
                    assert (custom == 0) == (mode == "force_generic_plan")
    finally:
        engine.dispose()
