"""`search`: makes a two-pass search of a Select that the caller has."""

from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import BindParameter, ColumnElement, TypeDecorator, bindparam
from sqlalchemy.sql.expression import SQLColumnExpression
from sqlalchemy.sql.selectable import GenerativeSelect

from mrl_pg.errors import IndexNotFound, InvalidSetting
from mrl_pg.index import MatryoshkaIndex
from mrl_pg.search.effort import decide_effort, promised_effort
from mrl_pg.search.options import EffortKeywords, options_of
from mrl_pg.sqlalchemy.declare import check, declarations, full_type
from mrl_pg.sqlalchemy.hits import HITS
from mrl_pg.sqlalchemy.passes import Passes
from mrl_pg.sqlalchemy.statement import aggregates, apart, filters, refuse
from mrl_pg.sqlalchemy.vector import QueryType
from mrl_pg.vectors import VectorLike

if TYPE_CHECKING:
    # typing's own from Python 3.11 on
    from typing_extensions import Unpack

Statement = TypeVar("Statement", bound=GenerativeSelect)

distance: ColumnElement[float] = HITS.c.distance
"""The true distance of a row to the query, to be selected beside it."""

seen: ColumnElement[int] = HITS.c.seen
"""Candidates that the first pass handed over; below `candidates` when it ran dry."""

standing: ColumnElement[str | None] = HITS.c.standing
"""What stands behind a `recall`: kept, unreached, stale or uncalibrated; else NULL."""


class SelectKeywords(EffortKeywords, total=False):
    """What a Select can be searched with; it filters and names columns itself."""

    exact: bool


def search(
    statement: Statement,
    column: SQLColumnExpression[Any],
    query: VectorLike | BindParameter[Any],
    *,
    index: MatryoshkaIndex | None = None,
    **options: "Unpack[SelectKeywords]",
) -> Statement:
    """The same Select, of the k rows whose `column` is nearest to the query.

        search(select(Doc, distance).where(Doc.lang == "en"), Doc.embedding, query)

    What the Select filters and joins decides which rows are found: it goes into the
    first pass. What is added to the result, `search(…).join(…).where(…)`, sees the
    k answers only; so do `limit` and `offset` there. Rows come nearest first, ties
    by key. A join to many repeats a row of the table, which counts once for k.
    Aggregates, as `select(func.count())`, are of the k rows.

    `query`: full size, as a list, an array, a Vector or a HalfVector, or a
    `bindparam` to give it later. `index`: another one than the first declared on
    the column. `recall` takes the cheapest search that `mrl.calibrate` measured to keep
    it, as the statement finds it when it runs; select `standing` to know what stands
    behind it. The other options are as in `MatryoshkaIndex.search`. The scan goes on
    past `ef_search` when too few rows came, because a single statement cannot ask
    again; select `seen` beside `distance` to know how many candidates there were.

    Raises InvalidStatement for a Select that groups, limits, orders or is distinct,
    InvalidVector, InvalidSetting, IndexNotFound, NotAVectorColumn, NoPrimaryKey.
    """
    full: Any = getattr(column, "__clause_element__", lambda: column)()
    refuse(statement, full)
    table = full.table
    base = next(iter(full.base_columns))
    layout = _layout(base, index)
    asked = options_of(options, SelectKeywords)
    if asked.wants_promise:
        effort = promised_effort(asked)
    else:
        effort = decide_effort(asked, goes_on=True)
    bound = _bound(query, QueryType(*full_type(base), layout.distance == "cosine"))
    passes = Passes(full, *filters(statement, column, table), bound, layout, effort)
    keys = list(table.primary_key)
    found = [_same(key, HITS.c[f"key_{n}"]) for n, key in enumerate(keys, 1)]
    select: Any = statement
    searched = select.add_cte(passes.hits(), nest_here=True)
    searched._where_criteria = apart(select._where_criteria)
    searched = searched.where(*found)
    if not aggregates(statement):
        searched = searched.order_by(distance, *keys)
    # in a filter of the same table it is still a search of its own
    whole: Statement = searched.correlate_except(table, HITS)
    return whole


def _same(key: Any, found: Any) -> Any:
    """That two keys are one, by PostgreSQL's own operator where it has one for sure."""
    kind = key.type.impl if isinstance(key.type, TypeDecorator) else key.type
    if type(kind).__module__.startswith("sqlalchemy."):
        return key.bool_op("operator(pg_catalog.=)")(found)
    return key == found


def _layout(column: Any, index: MatryoshkaIndex | None) -> MatryoshkaIndex:
    """The index to search by, checked against its column."""
    table = column.table
    if index is None:
        if not declarations(column):
            raise IndexNotFound(
                f"{column} declares no short column: write Matryoshka(256) beside its "
                "type, or pass index=; of a table that was reflected, call "
                "mrl_pg.sqlalchemy.register(metadata) before it is"
            )
        index = declarations(column)[0].on(table.name, column.name, table.schema or "")
    elif not isinstance(index, MatryoshkaIndex):
        raise InvalidSetting(
            f"index={index!r} is a {type(index).__name__}: pass a MatryoshkaIndex, as "
            "indexes_of(model) gives them"
        )
    elif (index.table, index.column) != (table.name, column.name):
        raise InvalidSetting(f"index={index} is not of {column}: pass one of its own")
    check(column, index.dims)
    return index


def _bound(
    query: VectorLike | BindParameter[Any], kind: QueryType
) -> BindParameter[Any]:
    """The query as a parameter of the statement; InvalidVector at once."""
    if not isinstance(query, BindParameter):
        kind.bound(query)
        return bindparam("mrl_query", query, type_=kind, unique=True)
    if query.required:
        return bindparam(query.key, type_=kind, required=True)
    value: Any = query.effective_value
    kind.bound(value)
    key = "mrl_query" if query.unique else query.key
    return bindparam(key, value, type_=kind, unique=query.unique)
