"""`search`: turns the caller's Select into a two-pass search."""

from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Connection,
    TypeDecorator,
    bindparam,
)
from sqlalchemy.orm import Session
from sqlalchemy.sql.expression import SQLColumnExpression
from sqlalchemy.sql.selectable import GenerativeSelect

from mrl_pg.errors import IndexNotFound, InvalidSetting
from mrl_pg.index import MatryoshkaIndex
from mrl_pg.kinds import Kind
from mrl_pg.layout import IndexLayout
from mrl_pg.search.effort import check_kind, check_size, decide_effort, promised_effort
from mrl_pg.search.options import EffortKeywords, SearchOptions, Tenant, options_of
from mrl_pg.sqlalchemy.declare import Declaration, check, declarations, full_type
from mrl_pg.sqlalchemy.hits import HITS
from mrl_pg.sqlalchemy.passes import Passes
from mrl_pg.sqlalchemy.statement import aggregates, apart, filters, refuse
from mrl_pg.sqlalchemy.tenant import of_tenant
from mrl_pg.sqlalchemy.vector import QueryType
from mrl_pg.vectors import VectorLike

if TYPE_CHECKING:
    # in `typing` itself from Python 3.11 on
    from typing_extensions import Unpack

Statement = TypeVar("Statement", bound=GenerativeSelect)

distance: ColumnElement[float] = HITS.c.distance
"""The true distance of a row to the query, to select with the row."""

seen: ColumnElement[int] = HITS.c.seen
"""Candidates of the first pass; below `candidates` if it found no more rows."""

standing: ColumnElement[str | None] = HITS.c.standing
"""What stands behind a `recall`, as in `Promise`: measured, rows, …; else NULL."""

index_name: ColumnElement[str | None] = HITS.c.index_name
"""The index that the statement searches by; NULL in an exact search."""

fallback: ColumnElement[bool] = HITS.c.fallback
"""Whether that is another index than the declared one, which is not there."""


class SelectKeywords(EffortKeywords, total=False):
    """Options for a search by a Select, which itself filters and names columns."""

    exact: bool
    dims: int | None
    kind: Kind | None
    tenant: Tenant | None


def search(
    statement: Statement,
    column: SQLColumnExpression[Any],
    query: VectorLike | BindParameter[Any],
    *,
    index: MatryoshkaIndex | None = None,
    on: Connection | Session | None = None,
    **options: "Unpack[SelectKeywords]",
) -> Statement:
    """The same Select, of the k rows whose `column` is nearest to the query.

        search(select(Doc, distance).where(Doc.lang == "en"), Doc.embedding, query)

    Filters and joins of the Select go into the first pass, so they decide which rows
    are found. Joins and conditions that you add to the result,
    `search(…).join(…).where(…)`, see the k answers only; so do `limit` and `offset`
    there. Rows come nearest first; rows at the same distance are ordered by key. A
    join to many repeats a row of the table, which counts once for k. Aggregates, such
    as `select(func.count())`, are of the k rows.

    `query`: full size, as a list, an array, a Vector or a HalfVector, or a
    `bindparam` to give it later. `dims` and `kind` choose among the short columns that
    are declared; without them it is the first. `index`: any other index to use.
    `recall` uses the cheapest search that reached this recall
    in `mrl.calibrate`; with a `quantile`, so large a share of single queries reached
    it. The statement reads the calibration when it runs; select
    `standing` to see whether it supports the recall. The other options are as in
    `MatryoshkaIndex.search`. The scan continues past `ef_search` if too few rows came,
    because a single statement cannot search again; select `seen` with `distance` to
    see how many candidates there were.

    `tenant`, with `on`, a session or a connection: the rows of this tenant alone. `on`
    is asked at once whether the tenant has an index of its own, so make the Select
    anew for each search.

    Raises InvalidStatement for a Select that groups, limits, orders or is distinct,
    InvalidVector, InvalidSetting, IndexNotFound, NotAVectorColumn, NoPrimaryKey.
    """
    full: Any = getattr(column, "__clause_element__", lambda: column)()
    refuse(statement, full)
    table = full.table
    base = next(iter(full.base_columns))
    checked = options_of(options, SelectKeywords)
    statement, layout, checked = chosen(statement, full, index, checked, on)
    if checked.wants_promise:
        effort = promised_effort(checked)
    else:
        effort = decide_effort(checked, goes_on=True)
    bound = bound_query(query, QueryType(*full_type(base), layout.distance == "cosine"))
    filtered = filters(statement, column, table)
    passes = Passes(full, *filtered, bound, layout, effort, is_rotated(base))
    return of_hits(statement, passes, distance)


def chosen(
    statement: Statement,
    full: Any,
    index: MatryoshkaIndex | None,
    options: SearchOptions,
    on: Connection | Session | None,
) -> tuple[Statement, IndexLayout, SearchOptions]:
    """The Select with the tenant's condition, if any, the index and the options."""
    if options.tenant is not None:
        if index is not None:
            raise InvalidSetting(
                f"index={index} with tenant={options.tenant!r}: a tenant is searched "
                "by its own index, or exactly; leave index out"
            )
        return of_tenant(statement, full, options, on)
    layout = layout_of(next(iter(full.base_columns)), index, options)
    check_kind(options, layout)
    return statement, layout, options


def is_rotated(column: Any) -> bool:
    """Whether the vectors of a column are declared to be rotated."""
    return any(declared.rotated for declared in declarations(column))


def of_hits(statement: Statement, passes: Passes, order: Any) -> Statement:
    """The Select of the rows that the passes found, in their order."""
    table = passes.table
    keys = list(table.primary_key)
    same_keys = [_same(key, HITS.c[f"key_{n}"]) for n, key in enumerate(keys, 1)]
    select: Any = statement
    searched = select.add_cte(passes.hits(), nest_here=True)
    searched._where_criteria = apart(select._where_criteria)
    searched = searched.where(*same_keys)
    if not aggregates(statement):
        searched = searched.order_by(order, *keys)
    # in a filter of the same table, the search is still independent
    whole: Statement = searched.correlate_except(table, HITS)
    return whole


def _same(key: Any, found: Any) -> Any:
    """A condition that two keys are equal, by PostgreSQL's own operator if possible."""
    kind = key.type.impl if isinstance(key.type, TypeDecorator) else key.type
    if type(kind).__module__.startswith("sqlalchemy."):
        return key.bool_op("operator(pg_catalog.=)")(found)
    return key == found


def layout_of(
    column: Any, index: MatryoshkaIndex | None, options: SearchOptions
) -> MatryoshkaIndex:
    """The index to search by, checked against its column."""
    table = column.table
    if index is None:
        declared = _declared(column, options)
        index = declared.on(table.name, column.name, table.schema or "")
    elif not isinstance(index, MatryoshkaIndex):
        raise InvalidSetting(
            f"index={index!r} is a {type(index).__name__}: pass a MatryoshkaIndex, as "
            "indexes_of(model) gives them"
        )
    elif (index.table, index.column) != (table.name, column.name):
        raise InvalidSetting(
            f"index={index} is not on {column}: pass an index of that column"
        )
    else:
        check_size(options, index)
    check(column, index.dims)
    return index


def _declared(column: Any, options: SearchOptions) -> Declaration:
    """The first declaration on the column of the size and kind that were asked for."""
    if not (declared := declarations(column)):
        raise IndexNotFound(
            f"{column} declares no short column: write Matryoshka(256) beside its "
            "type, or pass index=; for a reflected table, call "
            "mrl_pg.sqlalchemy.register(metadata) before you reflect it"
        )
    for each in declared:
        if options.dims in (None, each.dims) and options.kind in (None, each.kind):
            return each
    there = ", ".join(f"{each.kind}({each.dims})" for each in declared)
    raise IndexNotFound(
        f"{column} declares no short column of dims={options.dims}, "
        f"kind={options.kind!r}: there are {there}; declare it, or take one of these"
    )


def bound_query(
    query: VectorLike | BindParameter[Any], kind: QueryType
) -> BindParameter[Any]:
    """The query as a parameter of the statement; raises InvalidVector at once."""
    if not isinstance(query, BindParameter):
        kind.bound(query)
        return bindparam("mrl_query", query, type_=kind, unique=True)
    if query.required:
        return bindparam(query.key, type_=kind, required=True)
    value: Any = query.effective_value
    kind.bound(value)
    key = "mrl_query" if query.unique else query.key
    return bindparam(key, value, type_=kind, unique=query.unique)
