"""Models that inherit: one table, joined tables, vectors in the base or the child."""

from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from pgvector.sqlalchemy import VECTOR
from sqlalchemy import Engine, ForeignKey, insert, select, text
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapped,
    Session,
    aliased,
    mapped_column,
    selectin_polymorphic,
    with_polymorphic,
)
from support.databases import Server
from support.search_models import ask, exact, open_engine, sending
from support.vectors import matryoshka

from mrl_pg.sqlalchemy import Matryoshka, distance, indexes_of, search

ROWS, DIMS = 500, 32
VECTORS = matryoshka(ROWS, dims=DIMS)
QUERY = matryoshka(1, dims=DIMS, seed=9)[0]


class Base(DeclarativeBase):
    pass


class Page(Base):
    """One table for all: every third row is news, every ninth is urgent."""

    __tablename__ = "pages"
    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str]
    embedding: Mapped[Any] = mapped_column(VECTOR(DIMS), Matryoshka(16))
    __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "page"}  # noqa: RUF012


class News(Page):
    place: Mapped[str | None]
    __mapper_args__ = {"polymorphic_identity": "news"}  # noqa: RUF012


class Urgent(News):
    __mapper_args__ = {"polymorphic_identity": "urgent"}  # noqa: RUF012


class Work(Base):
    """Joined tables, the vector in the base: odd rows are books, even ones are not."""

    __tablename__ = "works"
    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str]
    embedding: Mapped[Any] = mapped_column(VECTOR(DIMS), Matryoshka(16))
    __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "work"}  # noqa: RUF012


class Book(Work):
    __tablename__ = "books"
    id: Mapped[int] = mapped_column(ForeignKey("works.id"), primary_key=True)
    pages: Mapped[int]
    cover: Mapped[Any] = mapped_column(VECTOR(DIMS), Matryoshka(16))
    __mapper_args__ = {"polymorphic_identity": "book"}  # noqa: RUF012


class Atlas(Book):
    """A child of the child, on its table: every fifth row that is a book."""

    __mapper_args__ = {"polymorphic_identity": "atlas"}  # noqa: RUF012


def page_kind(row: int) -> str:
    return "urgent" if row % 9 == 0 else "news" if row % 3 == 0 else "page"


def work_kind(row: int) -> str:
    return "work" if row % 2 == 0 else "atlas" if row % 5 == 0 else "book"


NEWS = [row for row in range(1, ROWS + 1) if row % 3 == 0]
URGENT = [row for row in range(1, ROWS + 1) if row % 9 == 0]
BOOKS = [row for row in range(1, ROWS + 1) if row % 2]
ATLASES = [row for row in BOOKS if row % 5 == 0]
PAGES_INDEX = indexes_of(Page)[0].name
WORKS_INDEX = indexes_of(Work)[0].name
BOOKS_INDEX = indexes_of(Book.__table__)[0].name


@pytest.fixture(scope="module")
def engine(pg_server: Server) -> Iterator[Engine]:
    with pg_server.fresh() as url:
        engine = open_engine(url)
        Base.metadata.create_all(engine)
        rows = list(enumerate(VECTORS.tolist(), 1))
        with engine.begin() as connection:
            tables: list[tuple[Any, Any]] = [(Page, page_kind), (Work, work_kind)]
            for model, kind in tables:
                data = [{"id": i, "kind": kind(i), "embedding": v} for i, v in rows]
                connection.execute(insert(model.__table__), data)
            books = [{"id": i, "pages": i, "cover": v} for i, v in rows if i % 2]
            book: Any = Book.__table__
            connection.execute(insert(book), books)
            connection.execute(text("analyze"))
        yield engine
        engine.dispose()


@pytest.fixture
def session(engine: Engine) -> Iterator[Session]:
    with Session(engine) as session:
        yield session


Latest = aliased(News)
Every = with_polymorphic(Work, [Book])
Flat = with_polymorphic(Work, "*", flat=True, aliased=True)
SEARCHED: dict[str, tuple[Any, Any, str, Sequence[int] | None]] = {
    "one table": (select(Page), Page.embedding, PAGES_INDEX, None),
    "its part": (select(News), News.embedding, PAGES_INDEX, NEWS),
    "its part, by a column": (select(News.id), News.embedding, PAGES_INDEX, NEWS),
    "its part, by the base's column": (select(News), Page.embedding, PAGES_INDEX, NEWS),
    "part of a part": (select(Urgent), Urgent.embedding, PAGES_INDEX, URGENT),
    "alias of a part": (select(Latest), Latest.embedding, PAGES_INDEX, NEWS),
    "one table, its part by hand": (
        select(Page).where(Page.kind == "urgent"),
        Page.embedding,
        PAGES_INDEX,
        URGENT,
    ),
    "joined tables": (select(Work), Work.embedding, WORKS_INDEX, None),
    "child, base's vector": (select(Book), Book.embedding, WORKS_INDEX, BOOKS),
    "child's column": (select(Book.pages), Book.embedding, WORKS_INDEX, BOOKS),
    "child, own vector": (select(Book), Book.cover, BOOKS_INDEX, BOOKS),
    "child, by its vector alone": (select(Book.pages), Book.cover, BOOKS_INDEX, BOOKS),
    "grandchild, base's vector": (
        select(Atlas),
        Atlas.embedding,
        WORKS_INDEX,
        ATLASES,
    ),
    "grandchild, child's vector": (select(Atlas), Atlas.cover, BOOKS_INDEX, ATLASES),
    "filter on the child": (
        select(Book).where(Book.pages % 5 == 0),
        Book.embedding,
        WORKS_INDEX,
        ATLASES,
    ),
    "filter on the base": (
        select(Book).where(Book.kind == "atlas"),
        Book.cover,
        BOOKS_INDEX,
        ATLASES,
    ),
    "with_polymorphic": (select(Every), Every.embedding, WORKS_INDEX, None),
    "with_polymorphic, filter on the child": (
        select(Every).where(Every.Book.pages > 0),
        Every.embedding,
        WORKS_INDEX,
        BOOKS,
    ),
    "base joined to its child": (
        select(Work).join(Book.__table__, Book.__table__.c.id == Work.id),
        Work.embedding,
        WORKS_INDEX,
        BOOKS,
    ),
    "child, by the base's column": (select(Book), Work.embedding, WORKS_INDEX, BOOKS),
    "child's column, by the base's column": (
        select(Book.pages),
        Work.embedding,
        WORKS_INDEX,
        BOOKS,
    ),
    "one table's part, by the table's column": (
        select(News),
        Page.__table__.c.embedding,
        PAGES_INDEX,
        NEWS,
    ),
    "alias of a child": (
        select(aliased(Book, flat=True)),
        None,
        WORKS_INDEX,
        BOOKS,
    ),
    "flat with_polymorphic": (select(Flat), Flat.embedding, WORKS_INDEX, None),
}


@pytest.mark.parametrize("name", SEARCHED)
def test_a_model_that_inherits(session: Session, name: str) -> None:
    statement, column, index, among = SEARCHED[name]
    if column is None:
        column = statement.column_descriptions[0]["entity"].embedding
    searched = search(statement.add_columns(distance), column, QUERY)
    rows = ask(session, searched, scans=[index])
    found = [getattr(row[0], "id", row[0]) for row in rows]
    assert found == exact(VECTORS, QUERY, among)
    for row in rows:
        if isinstance(row[0], Page):
            assert row[0].kind == page_kind(row[0].id)
        if isinstance(row[0], Work):
            assert type(row[0]).__name__.lower() == work_kind(row[0].id)


def test_children_are_loaded_with_the_answers(session: Session, engine: Engine) -> None:
    statement = select(Work).options(selectin_polymorphic(Work, [Book]))
    searched = search(statement, Work.embedding, QUERY)
    works = session.scalars(searched).all()
    assert [work.id for work in works] == exact(VECTORS, QUERY)
    with sending(engine) as sent:
        books = [work for work in works if isinstance(work, Book)]
        assert [book.pages for book in books] == [book.id for book in books]
    assert not sent.statements
