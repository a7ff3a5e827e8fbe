"""The statements of searches by words: fused with one by vectors, or words alone."""

from dataclasses import dataclass, replace
from functools import lru_cache

from psycopg import sql

from mrl_pg.catalog.slots import comma, name, template
from mrl_pg.layout import IndexLayout
from mrl_pg.search.effort import Effort
from mrl_pg.search.render import (
    LONGEST,
    Parts,
    encoded,
    mark,
    parts_of,
    placeholder,
    search,
    search_statements,
)
from mrl_pg.search.shape import Shape
from mrl_pg.search.words import Match, WordRanking

RELEVANCE: dict[Match, str] = {
    "any": "relevance_of_any",
    "all": "relevance_of_all",
}
"""The template that says how relevant a row is."""


@dataclass(frozen=True, slots=True)
class WordParts:
    """SQL about the words that each interface writes in its own way.

    `column` is its name as a text, `table` an expression of type oid, and `row_table`
    the table without an alias. `where` filters the rows. `answer` are the columns of
    `mrl_row` that are answered.
    """

    words: sql.Composable
    config: sql.Composable
    column: sql.Composable
    is_vector: bool
    match: Match
    table: sql.Composable
    row_table: sql.Composable
    where: sql.Composable
    text: sql.Composable
    answer: sql.Composable


def word_statements(shape: Shape, words: WordRanking) -> tuple[bytes, bytes]:
    """The search by words and its `more_rows`, as bytes, cached by shape."""
    _, more = search_statements(replace(shape, words=None))
    if len(shape.filter or "") > LONGEST:
        return _statement.__wrapped__(shape, words), more
    return _statement(shape, words), more


@lru_cache(maxsize=256)
def _statement(shape: Shape, words: WordRanking) -> bytes:
    facts, parts, _ = parts_of(shape)
    keys = comma(name(key) for key in facts.keys)
    parts = replace(parts, columns=keys, names=parts.keys)
    config = sql.Literal(name(*words.config).as_string())
    regclass = sql.Literal(parts.table.as_string())
    answered = (*facts.keys, *shape.columns)
    worded = WordParts(
        words=placeholder(shape, "mrl_words"),
        config=sql.SQL("{}::pg_catalog.regconfig").format(config),
        column=sql.Literal(words.column.replace("%", "%%")),
        is_vector=words.is_vector,
        match=words.match,
        table=sql.SQL("{}::pg_catalog.regclass::pg_catalog.oid").format(regclass),
        row_table=parts.table,
        where=parts.where,
        text=name(words.column),
        answer=comma(sql.SQL("mrl_row.{}").format(name(column)) for column in answered),
    )
    if words.weights is None:
        statement = by_words(parts, worded, shape.effort.k)
    else:
        statement = hybrid(
            shape.layout,
            shape.effort,
            parts,
            worded,
            words.weights,
            words.rank_constant,
        )
    return encoded(statement, shape) + mark(facts, shape)


def by_words(parts: Parts, worded: WordParts, k: int) -> sql.Composed:
    """The statement of a search by words alone.

    `columns` and `names` of the parts are those of the key.
    """
    return template(
        "by_words",
        matching=_matching(_by_place(parts), worded, k),
        answer=worded.answer,
        row_table=worded.row_table,
        extra=parts.extra,
    )


def hybrid(
    layout: IndexLayout,
    effort: Effort,
    parts: Parts,
    worded: WordParts,
    weights: tuple[float, float],
    rank_constant: int,
) -> sql.Composed:
    """The statement of a hybrid search, around that of the search by vectors.

    `columns` and `names` of the parts are those of the key.
    """
    inner = replace(
        _by_place(parts),
        query=sql.SQL('(select "full" from mrl_asked)'),
        extra=sql.SQL(""),
    )
    return template(
        "hybrid",
        query=parts.query,
        nearest=search(layout, effort, inner),
        names=inner.names,
        key_names=inner.keys,
        matching=_matching(inner, worded, effort.limit),
        row_table=worded.row_table,
        full=parts.full,
        extension=parts.extension,
        operator=sql.SQL(layout.operator),
        vector_weight=_weight(weights[0]),
        word_weight=_weight(weights[1]),
        rank_constant=sql.Literal(rank_constant),
        k=sql.Literal(effort.k),
        answer=worded.answer,
        guard=sql.SQL(""),
        extra=parts.extra,
    )


def _by_place(parts: Parts) -> Parts:
    """The same, where a row is identified by its place, stable in one statement.

    Its key follows, to order rows of equal rank.
    """
    return replace(
        parts,
        columns=sql.SQL("tableoid, ctid, {}").format(parts.columns),
        names=sql.SQL("mrl_part, mrl_place, {}").format(parts.names),
    )


def _matching(parts: Parts, worded: WordParts, fetch: int) -> sql.Composed:
    document = worded.text
    if not worded.is_vector:
        document = template("document", config=worded.config, text=worded.text)
    return template(
        "matching",
        asked_words=template(
            "word_query",
            config=worded.config,
            words=worded.words,
            table=worded.table,
            column=worded.column,
            any_word=sql.SQL("true" if worded.match == "any" else "false"),
        ),
        names=parts.names,
        key_names=parts.keys,
        columns=parts.columns,
        table=parts.table,
        document=document,
        relevance=template(RELEVANCE[worded.match], document=document),
        filter=worded.where,
        fetch=sql.Literal(fetch),
    )


def _weight(weight: float) -> sql.Composed:
    return sql.SQL("{}::pg_catalog.float8").format(sql.Literal(str(weight)))
