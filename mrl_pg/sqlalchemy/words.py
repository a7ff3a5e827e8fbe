"""`hybrid` and `search_words`: turn a Select into a search that reads words."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Connection,
    String,
    TypeDecorator,
    bindparam,
)
from sqlalchemy.dialects.postgresql import TSVECTOR
from sqlalchemy.orm import Session
from sqlalchemy.sql.expression import SQLColumnExpression

from mrl_pg.arguments import shown
from mrl_pg.errors import InvalidSetting, InvalidStatement, NoPrimaryKey
from mrl_pg.index import MatryoshkaIndex
from mrl_pg.search.effort import decide_effort, rows_to_fetch
from mrl_pg.search.options import SearchOptions, options_of
from mrl_pg.search.words import LEAST_FETCH, Match, WordOptions, WordRanking
from mrl_pg.sqlalchemy.declare import full_type
from mrl_pg.sqlalchemy.hits import HITS
from mrl_pg.sqlalchemy.passes import Passes
from mrl_pg.sqlalchemy.select import (
    SelectKeywords,
    Statement,
    bound_query,
    chosen,
    is_rotated,
    of_hits,
)
from mrl_pg.sqlalchemy.statement import filters, refuse
from mrl_pg.sqlalchemy.vector import QueryType
from mrl_pg.vectors import VectorLike

if TYPE_CHECKING:
    # in `typing` itself from Python 3.11 on
    from typing_extensions import Unpack

score: ColumnElement[float] = HITS.c.score
"""The score of a row in `hybrid` and in `search_words`, to select with the row."""

vector_rank: ColumnElement[int | None] = HITS.c.vector_rank
"""The rank of a row by vectors; NULL if they did not find it."""

word_rank: ColumnElement[int | None] = HITS.c.word_rank
"""The rank of a row by words; NULL if they did not find it."""


def hybrid(
    statement: Statement,
    column: SQLColumnExpression[Any],
    query: VectorLike | BindParameter[Any],
    words: str | BindParameter[str],
    *,
    text: SQLColumnExpression[Any],
    config: str = "english",
    match: Match = "any",
    weights: Iterable[float] = (1.0, 1.0),
    rank_constant: int = 60,
    fetch: int | None = None,
    index: MatryoshkaIndex | None = None,
    on: Connection | Session | None = None,
    **options: "Unpack[SelectKeywords]",
) -> Statement:
    """The same Select, of the k best rows by vectors and by words, fused by rank.

        hybrid(select(Doc, score), Doc.embedding, query, words, text=Doc.title)

    Filters and joins of the Select hold for both halves. The other arguments are those
    of `search` and of `MatryoshkaIndex.hybrid`; `text` is a column of the same table,
    of type text, varchar or TSVECTOR. A `recall` is not taken. `words` may be a
    `bindparam`. Rows come best first; select `score`, `vector_rank`, `word_rank` and
    `distance` to see why.

    Raises what `search` raises.
    """
    full: Any = _element(column)
    refuse(statement, full)
    checked = options_of(options, SelectKeywords)
    base = next(iter(full.base_columns))
    statement, layout, checked = chosen(statement, full, index, checked, on)
    if checked.wants_promise:
        raise InvalidSetting(
            f"recall={checked.recall}: a hybrid Select takes none, because it cannot "
            "say what stands behind it; give candidates, or search by "
            "MatryoshkaIndex.hybrid"
        )
    rows = rows_to_fetch(checked, fetch, LEAST_FETCH)
    effort = decide_effort(checked, goes_on=True).fetching(rows)
    ranking = _ranking(full.table, words, text, config, match, weights, rank_constant)
    vector = QueryType(*full_type(base), layout.distance == "cosine")
    passes = Passes(
        full,
        *filters(statement, column, full.table),
        bound_query(query, vector),
        layout,
        effort,
        is_rotated(base),
        words=_bound_words(words),
        ranking=ranking,
    )
    return of_hits(statement, passes, score.desc())


def search_words(
    statement: Statement,
    text: SQLColumnExpression[Any],
    words: str | BindParameter[str],
    *,
    config: str = "english",
    match: Match = "any",
    k: int = 10,
) -> Statement:
    """The same Select, of the k best rows by full text search of a column alone.

        search_words(select(Doc, score).where(Doc.lang == "en"), Doc.title, words)

    The table needs a primary key and no vectors. The arguments are those of
    `MatryoshkaIndex.search_words`. Rows come best first.

    Raises InvalidStatement, InvalidSetting and NoPrimaryKey.
    """
    column: Any = _element(text)
    refuse(statement, column)
    if not list(column.table.primary_key):
        raise NoPrimaryKey(
            f"table {column.table} has no primary key, which identifies answers: "
            "add one"
        )
    ranking = _ranking(column.table, words, text, config, match, None, 60)
    passes = Passes(
        column,
        *filters(statement, text, column.table),
        None,
        None,
        decide_effort(SearchOptions(k=k, exact=True), goes_on=True),
        words=_bound_words(words),
        ranking=ranking,
    )
    return of_hits(statement, passes, score.desc())


def _element(column: Any) -> Any:
    return getattr(column, "__clause_element__", lambda: column)()


def _ranking(
    table: Any,
    words: Any,
    text: Any,
    config: str,
    match: Match,
    weights: Iterable[float] | None,
    rank_constant: int,
) -> WordRanking:
    """How words rank, checked; raises InvalidSetting and InvalidStatement."""
    column = _element(text)
    if getattr(column, "table", None) is not table:
        raise InvalidStatement(
            f"text={shown(text)} is no column of {table.name}: pass a column of the "
            "table whose rows are searched"
        )
    kind = column.type
    while isinstance(kind, TypeDecorator):
        kind = kind.impl_instance
    if not isinstance(kind, (String, TSVECTOR)):
        raise InvalidSetting(
            f"text={column} is of type {column.type!r}: name a column of type text, "
            "varchar or TSVECTOR"
        )
    asked = WordOptions(
        words="" if isinstance(words, BindParameter) else words,
        text=column.name,
        config=config,
        match=match,
        weights=weights,
        rank_constant=rank_constant,
    )
    return WordRanking(
        column=asked.text,
        is_vector=isinstance(kind, TSVECTOR),
        config=(asked.config,),
        match=asked.match,
        weights=asked.pair,
        rank_constant=asked.rank_constant,
    )


def _bound_words(words: str | BindParameter[str]) -> BindParameter[str]:
    if isinstance(words, BindParameter):
        return words
    return bindparam("mrl_words", words, type_=String(), unique=True)
