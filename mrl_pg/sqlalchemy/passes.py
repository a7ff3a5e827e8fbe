"""The two passes as an element of a statement, compiled from templates of `sql/`."""

from collections.abc import Callable
from functools import partial
from typing import Any

from psycopg import sql
from sqlalchemy import BigInteger, Boolean, ColumnClause, Float, String, Text, column
from sqlalchemy.exc import CompileError
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.elements import ClauseElement
from sqlalchemy.sql.selectable import CTE, Alias, TextualSelect
from sqlalchemy.sql.visitors import InternalTraversal
from sqlalchemy.types import TypeEngine

from mrl_pg.catalog import slots
from mrl_pg.layout import IndexLayout
from mrl_pg.search import fuse, render
from mrl_pg.search.effort import Effort, has_bits
from mrl_pg.search.words import WordRanking
from mrl_pg.sqlalchemy import parts, sharded, stand_in
from mrl_pg.sqlalchemy.hits import HITS
from mrl_pg.sqlalchemy.statement import Later, members
from mrl_pg.sqlalchemy.within import refuse_surroundings


class Passes(ClauseElement):
    """The statement of a search over one table, as `render.search` puts it together.

    `condition` filters the first pass by the table's own columns. If a filter needs
    more, `members` filters instead, a condition that the key is in a subquery. `later`
    makes such members if criteria are added after the search. `column` is the full one.
    `rotated` says that the column is declared as such.

    With a `ranking` the statement also searches for `words`, or for words alone if
    there is no `query`; then `column` is that of the words.
    """

    __visit_name__ = "mrl_passes"
    inherit_cache = True
    _traverse_internals = [  # noqa: RUF012  SQLAlchemy's own way to say it
        ("table", InternalTraversal.dp_clauseelement),
        ("condition", InternalTraversal.dp_clauseelement),
        ("members", InternalTraversal.dp_clauseelement),
        ("query", InternalTraversal.dp_clauseelement),
        ("column", InternalTraversal.dp_clauseelement),
        ("layout", InternalTraversal.dp_plain_obj),
        ("effort", InternalTraversal.dp_plain_obj),
        ("rotated", InternalTraversal.dp_boolean),
        ("words", InternalTraversal.dp_clauseelement),
        ("ranking", InternalTraversal.dp_plain_obj),
    ]

    def __init__(
        self,
        column: Any,
        condition: Any,
        members: Any,
        later: Later | None,
        query: Any,
        layout: IndexLayout | None,
        effort: Effort,
        rotated: bool = False,
        words: Any = None,
        ranking: WordRanking | None = None,
    ) -> None:
        """Take the parts as they are; `statement.filters` makes the conditions."""
        self.table = column.table
        self.column = column
        self.later = later
        self.condition = condition
        self.members = members
        self.query = query
        # None in a search by words alone
        self.layout: Any = layout
        self.effort = effort
        self.rotated = rotated
        self.words = words
        self.ranking = ranking

    def hits(self) -> CTE:
        """`mrl_hits`, for the WITH of the statement that reads it."""
        count = range(1, self.key_count + 1)
        keys: list[ColumnClause[Any]] = [column(f"key_{place}") for place in count]
        rows = [*keys, *(column(name, kind) for name, kind in self._answered())]
        # TextualSelect is typed for a text, but it only compiles it
        select = TextualSelect(self, rows, positional=True)  # type: ignore[arg-type]
        return select.cte(HITS.name, nesting=True)

    def _answered(self) -> list[tuple[str, TypeEngine[Any]]]:
        """The columns behind the key, in the order of the templates."""
        ranked: list[tuple[str, TypeEngine[Any]]] = [
            ("distance", Float()),
            ("vector_rank", BigInteger()),
        ]
        if self.query is None:
            return [("score", Float()), ("word_rank", BigInteger()), *ranked]
        found: list[tuple[str, TypeEngine[Any]]] = [
            ("seen", BigInteger()),
            ("standing", Text()),
            ("index_name", Text()),
            ("fallback", Boolean()),
        ]
        if self.ranking is None:
            return [ranked[0], *found]
        counted: list[tuple[str, TypeEngine[Any]]] = [
            ("word_rank", BigInteger()),
            ("came", BigInteger()),
            ("farthest", Float()),
        ]
        return [("score", Float()), *ranked, *counted, *found]

    @property
    def key_count(self) -> int:
        """Columns of the primary key."""
        return len(list(self.table.primary_key))


@compiles(Passes)
def _compile(element: Passes, compiler: Any, **kw: Any) -> str:
    if compiler.dialect.name not in ("postgresql", "default"):
        raise CompileError(
            f"a search runs on PostgreSQL, not on {compiler.dialect.name}"
        )
    sharded.check_whole(compiler.dialect, _base(element))
    condition, by_members = _condition(element, compiler)
    refuse_surroundings(compiler, condition if by_members else None)
    # it would report tables of the inner statement as not joined in the outer
    kw.pop("from_linter", None)
    own = element.table
    # SQLAlchemy has such an entry for each SELECT that it compiles; so subqueries of
    # the filter correlate to the table that the first pass reads
    compiler.stack.append(
        {"correlate_froms": {own}, "asfrom_froms": {own}, "selectable": element}
    )
    try:
        table = compiler.process(own, **{**kw, "asfrom": True})
        where = None if condition is None else compiler.process(condition, **kw)
        query = element.query is not None and compiler.process(element.query, **kw)
        worded = _worded(element, compiler, where, kw)
    finally:
        compiler.stack.pop(-1)
    quote = compiler.preparer.quote
    keys = [sql.Identifier(f"key_{i}") for i in range(1, element.key_count + 1)]
    named = slots.comma(sql.SQL(quote(key.name)) for key in own.primary_key)
    if worded is not None and not query:
        alone = render.Parts(
            **dict.fromkeys(
                ("full", "short", "extension", "query", "promise"), sql.SQL("")
            ),
            table=sql.SQL(table),
            where=worded.where,
            columns=named,
            names=slots.comma(keys),
            keys=slots.comma(keys),
            extra=parts.NO_VECTOR,
        )
        return fuse.by_words(alone, worded, element.effort.k).as_string()
    layout, effort = _layout(element, compiler), element.effort
    # another index may stand in, and an expression has no bits in the row
    if not has_bits(layout) or layout.keep == "expression":
        effort = effort.without_bits()
    parameter = sql.SQL(f"{query}::{element.query.type.get_col_spec()}")
    written = render.Parts(
        table=sql.SQL(table),
        full=sql.SQL(quote(layout.column)),
        short=_short(layout, quote),
        extension=slots.home(""),
        query=_query(element, layout, compiler, parameter),
        where=_where(element, layout, compiler, parameter, where),
        columns=named,
        names=slots.comma(keys),
        keys=slots.comma(keys),
        extra=parts.standing(effort)
        + parts.answered_by(
            sql.NULL if effort.scan == "exact" else _literal(compiler, layout.name),
            layout is not element.layout,
        ),
        promise=_promise(element, layout, compiler, condition is not None),
    )
    ranking = element.ranking
    if worded is None or ranking is None or ranking.weights is None:
        return render.search(layout, effort, written).as_string()
    return fuse.hybrid(
        layout, effort, written, worded, ranking.weights, ranking.rank_constant
    ).as_string()


def _worded(
    element: Passes, compiler: Any, where: str | None, kw: dict[str, Any]
) -> fuse.WordParts | None:
    """The parts of a search by words, if it is one."""
    ranking = element.ranking
    if ranking is None:
        return None
    quote = compiler.preparer.quote
    (config,) = ranking.config
    return fuse.WordParts(
        words=sql.SQL(compiler.process(element.words, **kw)),
        config=sql.SQL("{}::pg_catalog.regconfig").format(_literal(compiler, config)),
        column=_literal(compiler, ranking.column),
        is_vector=ranking.is_vector,
        match=ranking.match,
        table=sql.SQL("{}::pg_catalog.regclass::pg_catalog.oid").format(
            _table_name(element, compiler)
        ),
        row_table=sql.SQL(compiler.preparer.format_table(_base(element))),
        where=slots.condition(where),
        text=sql.SQL(quote(ranking.column)),
        answer=slots.comma(
            sql.SQL(f"mrl_row.{quote(key.name)} as key_{place}")
            for place, key in enumerate(element.table.primary_key, 1)
        ),
    )


def _layout(element: Passes, compiler: Any) -> IndexLayout:
    """The index to search by: the declared one, or what an engine falls back on."""
    declared: IndexLayout = element.layout
    if element.effort.scan == "exact":
        return declared
    named = compiler.preparer.format_table(_base(element))
    return stand_in.usable(compiler.dialect, declared, "__[SCHEMA_" in named)


def _short(layout: IndexLayout, quote: Callable[[str], str]) -> sql.Composable:
    """What the first pass orders by: the short column, or an index's expression."""
    if layout.keep != "expression":
        return sql.SQL(quote(layout.short))
    full = sql.SQL(quote(layout.column))
    return sql.SQL("({})").format(slots.short_value(layout, slots.home(""), full))


def _where(
    element: Passes,
    layout: IndexLayout,
    compiler: Any,
    query: sql.Composable,
    where: str | None,
) -> sql.Composable:
    """The filter, a check of the short column, and a condition for the plan."""
    filter = slots.condition(where)
    table = _table_name(element, compiler)
    literal = partial(_literal, compiler)
    unrotated: sql.Composable = sql.SQL("")
    if not element.rotated:
        unrotated = parts.check_unrotated(layout, table, literal)
    if element.effort.scan == "exact":
        return sql.Composed([filter, unrotated])
    checked = parts.check_short(layout, table, literal)
    return sql.Composed(
        [
            filter,
            # an expression says itself what it is, and a trigger's column is plain
            checked if layout.keep in (None, "generated") else sql.SQL(""),
            unrotated,
            parts.own_plan(query, table if where is None else None),
        ]
    )


def _query(
    element: Passes, layout: IndexLayout, compiler: Any, query: sql.Composable
) -> sql.Composable:
    """The query, rotated if the column is declared as rotated."""
    if not element.rotated:
        return query
    table = _table_name(element, compiler)
    full_type = element.query.type.get_col_spec()
    literal = partial(_literal, compiler)
    return parts.rotated(layout, table, literal, query, full_type)


def _literal(compiler: Any, value: str) -> sql.SQL:
    """A text as a literal; a percent sign is doubled if the driver needs it."""
    return sql.SQL(compiler.render_literal_value(value, String()))


def _table_name(element: Passes, compiler: Any) -> sql.Composable:
    """The table's name as a text, which the planner can read while it plans."""
    named = compiler.preparer.format_table(_base(element))
    if "__[SCHEMA_" in named:
        # SQLAlchemy writes the schema later, as a quoted name, unfit for a literal
        return slots.statement("translated_table", table=sql.SQL(named))
    return sql.Literal(named)


def _base(element: Passes) -> Any:
    """The table itself, if the search is over an alias of it."""
    own = element.table
    return own.element if isinstance(own, Alias) else own


def _promise(
    element: Passes, layout: IndexLayout, compiler: Any, filtered: bool
) -> sql.Composable:
    """SQL that reads the calibration, in a search for a recall."""
    if element.effort.recall is None:
        return sql.SQL("")
    table = _table_name(element, compiler)
    index, short = (_literal(compiler, name) for name in (layout.name, layout.short))
    return parts.promise(layout, element.effort, table, index, short, filtered)


def _condition(element: Passes, compiler: Any) -> tuple[Any, bool]:
    """The filter, and whether by members, as `with_loader_criteria` may need.

    An event may have added such criteria after the search was made.
    """
    if element.members is not None:
        return element.members, True
    known = getattr(compiler, "_global_attributes", {})
    if element.later and any(key[0] == "additional_entity_criteria" for key in known):
        own = () if element.condition is None else (element.condition,)
        return members(element.later, element.table, own), True
    return element.condition, False
