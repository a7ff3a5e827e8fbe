"""The statement of a hybrid search: two rankings, fused by reciprocal rank."""

from dataclasses import replace
from functools import lru_cache

from psycopg import sql

from mrl_pg.catalog.slots import comma, name, template
from mrl_pg.search.render import (
    LONGEST,
    encoded,
    mark,
    parts_of,
    placeholder,
    search,
    search_statements,
)
from mrl_pg.search.shape import Shape
from mrl_pg.search.words import WordRanking


def hybrid_statements(shape: Shape, words: WordRanking) -> tuple[bytes, bytes]:
    """The hybrid search and its `more_rows`, as bytes, cached by shape."""
    _, more = search_statements(replace(shape, words=None))
    if len(shape.filter or "") > LONGEST:
        return _hybrid.__wrapped__(shape, words), more
    return _hybrid(shape, words), more


@lru_cache(maxsize=256)
def _hybrid(shape: Shape, words: WordRanking) -> bytes:
    """Around the statement of the search by vectors, which stays as it is.

    Both halves identify a row by its place, which is stable in one statement, and hand
    on its key to order rows of equal rank.
    """
    facts, parts, _ = parts_of(shape)
    keys = comma(name(key) for key in facts.keys)
    names = sql.SQL("mrl_part, mrl_place, {}").format(parts.keys)
    inner = replace(
        parts,
        query=sql.SQL('(select "full" from mrl_asked)'),
        columns=sql.SQL("tableoid, ctid, {}").format(keys),
        names=names,
        extra=sql.SQL(""),
    )
    config = sql.SQL("{}::pg_catalog.regconfig").format(
        sql.Literal(name(*words.config).as_string())
    )
    document: sql.Composable = name(words.column)
    if not words.is_vector:
        document = template("document", config=config, text=document)
    asked_words = placeholder(shape, "mrl_words")
    answered = (*facts.keys, *shape.columns)
    statement = template(
        "hybrid",
        query=parts.query,
        nearest=search(shape.layout, shape.effort, inner),
        names=names,
        key_names=parts.keys,
        columns=inner.columns,
        table=parts.table,
        full=parts.full,
        extension=parts.extension,
        operator=sql.SQL(shape.layout.operator),
        document=document,
        words=template("word_query", config=config, words=asked_words),
        filter=parts.where,
        fetch=sql.Literal(shape.effort.limit),
        vector_weight=_weight(words.weights[0]),
        word_weight=_weight(words.weights[1]),
        rank_constant=sql.Literal(words.rank_constant),
        k=sql.Literal(shape.effort.k),
        answer=comma(sql.SQL("mrl_row.{}").format(name(column)) for column in answered),
        guard=sql.SQL(""),
        extra=parts.extra,
    )
    return encoded(statement, shape) + mark(facts, shape)


def _weight(weight: float) -> sql.Composed:
    return sql.SQL("{}::pg_catalog.float8").format(sql.Literal(str(weight)))
