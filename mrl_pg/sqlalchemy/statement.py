"""Reads a Select: its filters, its joins, and why it cannot become a search.

Most names of SQLAlchemy that begin with an underscore are used here. Tests run all such
uses on the oldest and the newest release.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from operator import and_ as and_operator
from typing import Any

from sqlalchemy import Select, Table, and_, tuple_
from sqlalchemy.sql.elements import BooleanClauseList, Grouping, Over, TextClause
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.sql.selectable import Alias, FromClause, ScalarSelect

from mrl_pg.errors import InvalidStatement
from mrl_pg.sqlalchemy.hits import HITS, froms
from mrl_pg.sqlalchemy.within import is_search

INSTEAD = {
    "_limit_clause": "k=… says how many rows; page through them afterwards with "
    "search(…, k=30).limit(10).offset(20)",
    "_offset_clause": "k=… says how many rows; page through them afterwards with "
    "search(…, k=30).limit(10).offset(20)",
    "_fetch_clause": "k=… says how many rows",
    "_order_by_clauses": "rows come nearest first; for another order afterwards, "
    "search(…).order_by(None).order_by(…)",
    "_group_by_clauses": "group the answers: select(…) from search(…).subquery()",
    "_having_criteria": "group the answers: select(…) from search(…).subquery()",
    "_distinct": "a row of the table counts once for k by itself; for distinct "
    "answers, select(…).distinct() from search(…).subquery()",
}
"""Parts that a Select may not have before `search`, and what to write instead."""


AGGREGATES = frozenset(
    (
        "aggregate_strings any_value array_agg avg bit_and bit_or bit_xor bool_and "
        "bool_or corr count covar_pop covar_samp every json_agg json_object_agg "
        "jsonb_agg jsonb_object_agg max min mode percentile_cont percentile_disc "
        "range_agg range_intersect_agg regr_avgx regr_avgy regr_count regr_intercept "
        "regr_r2 regr_slope regr_sxx regr_sxy regr_syy stddev stddev_pop stddev_samp "
        "string_agg sum var_pop var_samp variance xmlagg"
    ).split()
)
"""PostgreSQL's aggregates, and SQLAlchemy's name for one; pgvector has avg and sum."""


def refuse(statement: Any, column: Any) -> None:
    """Raise InvalidStatement for a statement that cannot become a search."""
    if not isinstance(statement, Select):
        raise InvalidStatement(
            f"a {type(statement).__name__} cannot be searched with: pass a Select, "
            "such as select(Doc).where(…)"
        )
    if isinstance(column, str):
        raise InvalidStatement(
            f"column {column!r} is text: pass the column itself, such as Doc.embedding"
        )
    table = getattr(column, "table", None)
    base = table.element if isinstance(table, Alias) else table
    if not isinstance(base, Table):
        raise InvalidStatement(
            f"{column} is not a column of a table but of {base}: the first pass reads "
            "an index, which only a table has; search with the table's own column, or "
            "with that of aliased(…, flat=True) for joined inheritance"
        )
    if HITS in froms(statement._where_criteria) and is_search(statement):
        raise InvalidStatement(
            "the Select is a search already: for two searches in one statement, "
            "join search(…).subquery() of each"
        )
    for attribute, instead in INSTEAD.items():
        value = getattr(statement, attribute)
        if value is not None and value is not False and value != ():
            word = attribute.strip("_").removesuffix("_clause").split("_c")[0]
            raise InvalidStatement(
                f"the Select has {word.replace('_', ' ')} already: {instead}"
            )


def aggregates(statement: Any) -> bool:
    """Whether the Select makes one row of its answers, which then needs no order.

    Raises InvalidStatement if it also selects columns, for example to group by.
    """
    parts = [(part, _aggregated(part)) for part in statement._raw_columns]
    if not any(aggregated for _, aggregated in parts):
        return False
    for part, aggregated in parts:
        if not aggregated and part._from_objects:
            instead = INSTEAD["_group_by_clauses"]
            raise InvalidStatement(
                f"the Select has {part} beside an aggregate: {instead}"
            )
    return True


def apart(criteria: tuple[Any, ...]) -> tuple[Any, ...]:
    """Conditions to which others can be added, in parentheses if one is a text.

    SQLAlchemy puts no parentheses around a text, so after `a or b` an `and` would
    belong to `b` alone.
    """
    if any(map(_is_text, _conditions(criteria))):
        return (Grouping(and_(*criteria)),)
    return criteria


@dataclass(frozen=True, slots=True)
class Later:
    """Parts of a mapped Select, to make its `members` later if they are needed."""

    statement: Any
    column: Any
    selected: Sequence[Any]


def filters(statement: Any, column: Any, table: Any) -> tuple[Any, Any, Later | None]:
    """The filter of the first pass: a condition on the table alone, or members.

    Members, a condition that the key is among the keys of the whole Select, work for
    any Select. Criteria that an event adds may need members later.
    """
    own = _without_hits(_conditions(statement._where_criteria))
    # columns of other tables may belong to a join that is added after the search,
    # unless the table is joined to them
    is_joined = any(table in froms([right]) for right, *_ in statement._setup_joins)
    selected = [
        part
        for part in _without_hits(statement._raw_columns)
        if is_joined or table in _sources(part)
    ]
    later = Later(statement, column, selected)
    # options that add criteria count, those that load attributes do not
    criteria = [option for option in statement._with_options if _adds_criteria(option)]
    if not criteria and _is_simple(statement, table, own, selected):
        mapped = "compile_state_plugin" in statement._propagate_attrs
        return (and_(*own) if own else None), None, (later if mapped else None)
    if not _reads(statement, table, [*own, *selected]):
        raise InvalidStatement(
            f"the Select does not read {table.name}, whose vectors are searched: "
            "select from it or join it"
        )
    return None, members(later, table, own, criteria), None


def members(
    later: Later, table: Any, own: Sequence[Any], criteria: Sequence[Any] = ()
) -> Any:
    """A condition that the key is among those of a Select with its `own` conditions."""
    # keep the tables that it selects from, not the columns that it selects
    rest: Any = later.statement.with_only_columns(*later.selected).with_only_columns(
        *_keys(later.column, table), maintain_column_froms=True
    )
    rest = rest.correlate(None)
    rest._where_criteria = tuple(own)
    rest._for_update_arg = None
    rest._with_options = tuple(criteria)
    keys = list(table.primary_key)
    key = keys[0] if len(keys) == 1 else tuple_(*keys)
    return key.in_(rest)


def _is_text(part: Any) -> bool:
    """Whether it is a text(…) or a literal_column(…)."""
    return isinstance(part, TextClause) or getattr(part, "is_literal", False) is True


def _aggregated(part: Any) -> bool:
    """Whether an expression reads many rows, not by a window or in a subquery."""
    # a function may stand in FROM, so it is a FromClause as well
    if isinstance(part, FunctionElement):
        if str(getattr(part, "name", "")).lower() in AGGREGATES:
            return True
    elif isinstance(part, (FromClause, ScalarSelect, Over)):
        return False
    return any(map(_aggregated, part.get_children()))


def _keys(column: Any, table: Any) -> list[Any]:
    """The primary key, as attributes of the entity that the column belongs to.

    So SQLAlchemy adds the entity's criteria to a subquery that selects them.
    """
    entity = getattr(column, "parent", None)
    if entity is None:
        return list(table.primary_key)
    base = table.element if isinstance(table, Alias) else table
    return [
        getattr(entity.entity, entity.mapper.get_property_by_column(key).key)
        for key in base.primary_key
    ]


def _is_simple(statement: Any, table: Any, own: list[Any], selected: list[Any]) -> bool:
    """Whether the Select reads only the table, and all its rows but for conditions."""
    read = froms([*own, *statement._from_obj]).union(*map(_sources, selected))
    whole = not statement._setup_joins and not any(map(_is_subclass, selected))
    return whole and read == {table}


def _reads(statement: Any, table: Any, parts: list[Any]) -> bool:
    """Whether the table is in the FROM of the Select, or the FROM is empty."""
    if table in froms([*parts, *statement._from_obj]):
        return True
    # a last resort: SQLAlchemy compiles the statement for it
    final = froms(statement.get_final_froms()) - {HITS}
    return table in final or not final


def _is_subclass(column: Any) -> bool:
    """Whether an entity is only a part of its table, chosen by a discriminator."""
    entity = column._annotations.get("parententity")
    mapper = getattr(entity, "mapper", None)
    return mapper is not None and mapper._single_table_criterion is not None


def _adds_criteria(option: Any) -> bool:
    return bool(getattr(option, "_is_criteria_option", False))


def _sources(column: Any) -> set[Any]:
    """What a selected column or entity is read from, all tables of its mapper too."""
    entity = column._annotations.get("parententity")
    return froms([column] if entity is None else [column, entity.selectable])


def _conditions(parts: Iterable[Any]) -> Iterator[Any]:
    """Each condition by itself, because some parts of an `and_` are left out."""
    for part in parts:
        if isinstance(part, BooleanClauseList) and part.operator is and_operator:
            yield from _conditions(part.clauses)
        else:
            yield part


def _without_hits(parts: Iterable[Any]) -> list[Any]:
    return [part for part in parts if HITS not in part._from_objects]
