"""Checks, when a statement is compiled, that a search may stand at its place."""

from typing import Any

from sqlalchemy import Select, Table
from sqlalchemy.sql.selectable import CompoundSelect, TextualSelect
from sqlalchemy.sql.visitors import iterate

from mrl_pg.errors import InvalidStatement
from mrl_pg.sqlalchemy.hits import HITS, froms

NAMES = (HITS.name, "mrl_query", "mrl_before")
"""Names of a search's own parts, which would be read instead of such a table."""


def refuse_surroundings(compiler: Any, members: Any) -> None:
    """Raise InvalidStatement for a place that no search can be compiled in.

    `members` is the subquery that its first pass filters by, or None.
    """
    around = [
        entry
        for entry in compiler.stack
        if not isinstance(entry.get("selectable"), TextualSelect)
    ]
    _refuse_union(around)
    _refuse_names(around[-1]["selectable"])
    if members is not None:
        _refuse_correlation(around[-1], members)


def _refuse_union(around: Any) -> None:
    """Refuse two searches in a union, because SQLAlchemy writes one WITH for it."""
    union = around[-2]["selectable"] if len(around) > 1 else None
    if isinstance(union, CompoundSelect) and sum(map(is_search, union.selects)) > 1:
        raise InvalidStatement(
            f"two searches cannot be parts of one {union.keyword.name.lower()}: put "
            "it together from select(search(…).subquery()) of each"
        )


def is_search(statement: Any) -> bool:
    """Whether `search` made a Select, which may be in parentheses."""
    select = getattr(statement, "element", statement)
    return any(cte.name == HITS.name for cte in select._independent_ctes)


def _refuse_names(statement: Any) -> None:
    for table in iterate(statement):
        if not isinstance(table, Table) or table.name not in NAMES:
            continue
        if table.name == HITS.name or not table.schema:
            raise InvalidStatement(
                f"table {table} has the name of a part of a search, which would be "
                f"read in its place: rename it; {', '.join(NAMES)} are taken"
            )


def _refuse_correlation(entry: Any, members: Any) -> None:
    """Refuse a filter that uses a row of an enclosing statement."""
    outside = entry["correlate_froms"] - entry["asfrom_froms"]
    own = next(part for part in iterate(members) if isinstance(part, Select))
    if outside and outside.intersection(froms(own.get_final_froms())):
        raise InvalidStatement(
            "a search in a correlated subquery, lateral or not, would answer for all "
            "rows outside at once: the first pass reads tables of its own, not the row "
            "outside; search once for each, or join search(…).subquery()"
        )
