"""What is refused, each with its reason and what to write instead.

No test here has a database: nothing can be sent before it is refused.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from pgvector import Vector
from pgvector.sqlalchemy import BIT, VECTOR
from sqlalchemy import (
    Column,
    Integer,
    MetaData,
    String,
    Table,
    bindparam,
    delete,
    exists,
    func,
    insert,
    literal_column,
    select,
    text,
    true,
    union_all,
    update,
)
from sqlalchemy.dialects import mysql, postgresql, sqlite
from sqlalchemy.exc import CompileError
from sqlalchemy.orm import Bundle, Query, aliased
from support.search_models import Author, Doc, Tag

from mrl_pg import MatryoshkaIndex, MrlError
from mrl_pg.errors import (
    IndexNotFound,
    InvalidSetting,
    InvalidStatement,
    InvalidVector,
    NoPrimaryKey,
    NotAVectorColumn,
)
from mrl_pg.sqlalchemy import Matryoshka, distance, indexes_of, search, seen

QUERY = [1.0] * 64
HITS = search(select(Doc.id, Doc.embedding), Doc.embedding, QUERY).subquery()
D = aliased(Doc)
STATEMENTS: dict[str, tuple[Any, Any, str, str]] = {
    "limit": (select(Doc).limit(3), Doc.embedding, "limit", "k=30"),
    "offset": (select(Doc).offset(3), Doc.embedding, "offset", "k=30"),
    "offset 0": (select(Doc).offset(0), Doc.embedding, "offset", "k=30"),
    "slice": (select(Doc).slice(3, 9), Doc.embedding, "limit", "k=30"),
    "fetch": (select(Doc).fetch(3), Doc.embedding, "fetch", "k="),
    "order": (select(Doc).order_by(Doc.n), Doc.embedding, "order by", "order_by(None)"),
    "group": (
        select(Doc.lang).group_by(Doc.lang),
        Doc.embedding,
        "group by",
        "subquery()",
    ),
    "having": (
        select(func.count(Doc.id)).having(func.count() > 1),
        Doc.embedding,
        "having",
        "subquery()",
    ),
    "distinct": (select(Doc.lang).distinct(), Doc.embedding, "distinct", "subquery()"),
    "a column beside an aggregate": (
        select(Doc.lang, func.lower(func.max(Doc.title))),
        Doc.embedding,
        "docs.lang beside an aggregate",
        "subquery()",
    ),
    "union": (
        union_all(select(Doc.id), select(Doc.id)),
        Doc.embedding,
        "CompoundSelect",
        "pass a Select",
    ),
    "text": (text("select 1"), Doc.embedding, "TextClause", "pass a Select"),
    "text with columns": (
        text("select 1").columns(Doc.id),
        Doc.embedding,
        "TextualSelect",
        "pass a Select",
    ),
    "entity": (Doc, Doc.embedding, "pass a Select", "select(Doc)"),
    "query": (Query(Doc), Doc.embedding, "Query", "pass a Select"),
    "insert": (insert(Doc), Doc.embedding, "Insert", "pass a Select"),
    "update": (update(Doc), Doc.embedding, "Update", "pass a Select"),
    "delete": (delete(Doc), Doc.embedding, "Delete", "pass a Select"),
    "string": ("select 1", Doc.embedding, "str", "pass a Select"),
    "nothing": (None, Doc.embedding, "NoneType", "pass a Select"),
    "searched": (
        search(select(Doc), Doc.embedding, QUERY),
        Doc.embedding,
        "a search already",
        "subquery()",
    ),
    "searched, without its order": (
        search(select(Doc), Doc.embedding, QUERY).order_by(None),
        Doc.embedding,
        "a search already",
        "subquery()",
    ),
    "column of a subquery": (
        select(HITS),
        HITS.c.embedding,
        "not a column of a table",
        "the table's own column",
    ),
    "column of a CTE": (
        select(select(Doc).cte("some")),
        select(Doc).cte("some").c.embedding,
        "not a column of a table",
        "the table's own column",
    ),
    "label": (
        select(Doc),
        Doc.embedding.label("e"),
        "not a column of a table",
        "the table's own column",
    ),
    "expression": (
        select(Doc),
        func.l2_normalize(Doc.embedding),
        "not a column of a table",
        "the table's own column",
    ),
    "text column": (
        select(Doc),
        literal_column("embedding"),
        "not a column of a table",
        "the table's own column",
    ),
    "name": (select(Doc), "embedding", "is text", "Doc.embedding"),
    "entity for a column": (select(Doc), Doc, "not a column", "the table's own column"),
    "none": (select(Doc), None, "not a column", "the table's own column"),
    "another table": (select(Author), Doc.embedding, "does not read docs", "join it"),
    "an alias alone": (select(D), Doc.embedding, "does not read docs", "join it"),
    "no alias": (select(Doc), D.embedding, "does not read", "join it"),
    "another table's join": (
        select(Author).join(Tag, Tag.id == Author.id),
        Doc.embedding,
        "does not read docs",
        "join it",
    ),
}


if hasattr(postgresql, "distinct_on"):  # since SQLAlchemy 2.1
    STATEMENTS["distinct on"] = (
        select(Doc).ext(postgresql.distinct_on(Doc.lang)),
        Doc.embedding,
        "distinct",
        "subquery()",
    )


@pytest.mark.parametrize("name", STATEMENTS)
def test_a_statement_that_cannot_be_searched_with(name: str) -> None:
    statement, column, what, instead = STATEMENTS[name]
    with pytest.raises(InvalidStatement) as caught:
        search(statement, column, QUERY)
    assert what in str(caught.value)
    assert instead in str(caught.value)
    assert isinstance(caught.value, ValueError)


QUERIES: dict[str, tuple[Any, str]] = {
    "too short": ([1.0] * 63, "63"),
    "too long": (np.ones(65), "65"),
    "empty": ([], "0"),
    "matrix": (np.ones((2, 64)), "(2, 64)"),
    "NaN": ([float("nan")] * 64, "nan"),
    "infinity": ([1.0] * 63 + [float("inf")], "inf"),
    "beyond single precision": ([1e39] * 64, "1e+39"),
    "zeros": ([0.0] * 64, "zeros"),
    "text": ("[1,2,3]", "type str"),
    "words": (["a"] * 64, "a"),
    "nothing": (None, "is None"),
    "short Vector": (Vector([1, 2]), "2"),
}


@pytest.mark.parametrize("name", QUERIES)
def test_a_query_that_is_no_vector_of_the_column(name: str) -> None:
    query, said = QUERIES[name]
    with pytest.raises(InvalidVector) as caught:
        search(select(Doc), Doc.embedding, query)
    assert said in str(caught.value)


OPTIONS: dict[str, tuple[dict[str, Any], str]] = {
    "k 0": ({"k": 0}, "k=0"),
    "k -1": ({"k": -1}, "k=-1"),
    "k half": ({"k": 1.5}, "k=1.5"),
    "k true": ({"k": True}, "k=True"),
    "k text": ({"k": "10"}, "k='10'"),
    "k huge": ({"k": 2**31}, "k=2147483648"),
    "few candidates": ({"candidates": 9}, "candidates=9 is below k=10"),
    "no candidates": ({"candidates": 0}, "candidates=0"),
    "narrow": ({"ef_search": 100}, "ef_search=100 is below candidates=160"),
    "wide": ({"ef_search": 1001}, "ef_search=1001 is above 1000"),
    "scan": ({"max_scan_tuples": 0}, "max_scan_tuples=0"),
    "index of another table": (
        {"index": MatryoshkaIndex("other", "embedding", dims=32)},
        "other.embedding",
    ),
    "index of another column": (
        {"index": MatryoshkaIndex("docs", "title", dims=32)},
        "docs.title",
    ),
    "index above the column": (
        {"index": MatryoshkaIndex("docs", "embedding", dims=65)},
        "65",
    ),
}


@pytest.mark.parametrize("name", OPTIONS)
def test_an_option_that_no_search_can_have(name: str) -> None:
    options, said = OPTIONS[name]
    with pytest.raises(InvalidSetting) as caught:
        search(select(Doc), Doc.embedding, QUERY, **options)
    assert said in str(caught.value)


def table(*columns: Column[Any]) -> Table:
    return Table("other", MetaData(), *columns)


def key() -> Column[int]:
    return Column("id", Integer, primary_key=True)


TABLES: dict[str, tuple[Callable[[], Table], type[MrlError], str]] = {
    "no declaration": (
        lambda: table(key(), Column("e", VECTOR(64))),
        IndexNotFound,
        "Matryoshka(256)",
    ),
    "no primary key": (
        lambda: table(Column("e", VECTOR(64), Matryoshka(16))),
        NoPrimaryKey,
        "add one",
    ),
    "text": (
        lambda: table(key(), Column("e", String, Matryoshka(16))),
        NotAVectorColumn,
        "VECTOR(n)",
    ),
    "bits": (
        lambda: table(key(), Column("e", BIT(64), Matryoshka(16))),
        NotAVectorColumn,
        "VECTOR(n)",
    ),
    "no dimensions": (
        lambda: table(key(), Column("e", VECTOR(), Matryoshka(16))),
        NotAVectorColumn,
        "give VECTOR(n)",
    ),
    "above the column": (
        lambda: table(key(), Column("e", VECTOR(8), Matryoshka(16))),
        InvalidSetting,
        "Matryoshka(16)",
    ),
}


@pytest.mark.parametrize("name", TABLES)
def test_a_table_that_cannot_be_searched(name: str) -> None:
    make, kind, said = TABLES[name]
    other = make()
    with pytest.raises(kind) as caught:
        search(select(other), other.c.e, QUERY)
    assert said in str(caught.value)


def test_a_declaration_of_any_type() -> None:
    cases: list[dict[str, Any]] = [{"dims": {}}, {"dims": 4, "m": []}]
    for options in (*cases, {"dims": 4, "short": {}}):
        with pytest.raises(InvalidSetting, match="is not a"):
            Matryoshka(**options)
    dims: Any = np.int64(16)
    assert repr(Matryoshka(dims)) == repr(Matryoshka(16))


def test_other_databases_have_no_search() -> None:
    searched = search(select(Doc, distance, seen), Doc.embedding, QUERY)
    dialects: list[Any] = [sqlite.dialect(), mysql.dialect()]
    for dialect in dialects:
        with pytest.raises(CompileError, match=rf"PostgreSQL, not on {dialect.name}"):
            searched.compile(dialect=dialect)


CORRELATED: Any = search(
    select(Doc.id).where(Doc.author_id == Author.id), Doc.embedding, QUERY, k=3
)
BESIDE = CORRELATED.lateral()
OUTSIDE: dict[str, Any] = {
    "lateral": select(Author.name, BESIDE.c.id).join(BESIDE, true()),
    "scalar": select(Author.name, CORRELATED.limit(1).scalar_subquery()),
    "exists": select(Author.name).where(CORRELATED.exists()),
    "in": select(Author.name).where(Author.id.in_(CORRELATED)),
    "two levels up": select(Author.name).where(
        exists().where(Tag.doc_id.in_(CORRELATED))
    ),
    "update": update(Author).values(name="near").where(CORRELATED.exists()),
}


@pytest.mark.parametrize("name", OUTSIDE)
def test_the_k_nearest_for_each_row_outside(name: str) -> None:
    """The first pass would read both tables, and answer for all rows at once."""
    dialect: Any = postgresql
    with pytest.raises(InvalidStatement, match=r"lateral.*search once\s+for each"):
        OUTSIDE[name].compile(dialect=dialect.dialect())


@pytest.mark.parametrize(
    ("name", "schema"), [("mrl_hits", "app"), ("mrl_query", None), ("mrl_before", None)]
)
def test_a_table_of_the_name_of_a_part(name: str, schema: str | None) -> None:
    """PostgreSQL would read the part of the search in the table's place, in silence."""
    other = Table(
        name,
        MetaData(),
        Column("id", Integer, primary_key=True),
        Column("e", VECTOR(64), Matryoshka(16)),
        schema=schema,
    )
    dialect: Any = postgresql
    within = select(Doc.id).where(Doc.id.in_(select(other.c.id)))
    for statement in (
        search(select(other), other.c.e, QUERY),
        search(within, Doc.embedding, QUERY),
        search(select(Doc.id), Doc.embedding, QUERY).join(other, other.c.id == Doc.id),
    ):
        with pytest.raises(InvalidStatement, match=rf"{name} has the name.*rename it"):
            statement.compile(dialect=dialect.dialect())


def test_a_search_beside_a_table_that_it_reads_by_itself() -> None:
    statement = select(Doc.id).join(Author, Author.id == Doc.author_id)
    joined: Any = search(statement.where(Author.name == "a"), Doc.embedding, QUERY)
    beside = joined.lateral()
    dialect: Any = postgresql
    for outer in (
        select(Author.name).join(beside, true()),
        select(Author.name).where(Author.id.in_(joined)),
        select(Author.name, CORRELATED.subquery().c.id),
        select(Author.name).join(
            search(select(Doc.id), Doc.embedding, QUERY).lateral(), true()
        ),
    ):
        assert "mrl_hits" in str(outer.compile(dialect=dialect.dialect()))


def test_an_index_that_is_none() -> None:
    kind: Any = Matryoshka(16)
    with pytest.raises(InvalidSetting, match="pass a MatryoshkaIndex"):
        search(select(Doc), Doc.embedding, QUERY, index=kind)


def test_what_is_not_refused() -> None:
    for statement in (
        select(Doc).limit(None).offset(None).order_by(None),
        select(Doc).order_by(None).group_by(None),
        select(func.max(distance)),
        select(distance),
        select(Bundle("b", Doc.id, Doc.title)),
        select(Doc).where(Doc.id.in_(select(HITS.c.id))),
        select(Doc).join(HITS, HITS.c.id == Doc.id),
    ):
        searched: Any = search(statement, Doc.embedding, bindparam("q"))
        assert "mrl_hits" in str(searched)
    assert indexes_of(Doc)
