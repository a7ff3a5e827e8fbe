"""Parts of a search that only SQLAlchemy's statement has.

psycopg's verbs can send statements before and after a search. SQLAlchemy sends one
statement only, which therefore checks its short column, keeps its plan fresh and reads
the calibration by itself.
"""

from collections.abc import Callable

from psycopg import sql

from mrl_pg.catalog.facts import function_of, mismatch
from mrl_pg.catalog.slots import is_short_column, statement
from mrl_pg.layout import IndexLayout
from mrl_pg.search.effort import Effort

GENERATED_BY = sql.SQL(
    "pg_catalog.string_agg(pg_catalog.pg_get_expr(value.adbin, value.adrelid), '')"
)
"""In the statement `check_short`: the expression that generates the short column."""

MARK = "mrl_pg: "
"""Begins the message of an error that a statement itself makes."""

ROTATED = "so declare it with Matryoshka(…, rotated=True)"
"""In the message of a search of a rotated column that is not declared as such."""


NO_VECTOR = sql.SQL(
    ",\n    null::pg_catalog.float8 as distance"
    ",\n    null::pg_catalog.int8 as vector_rank"
)
"""Further columns of a search by words alone."""


def own_plan(query: sql.Composable, table: sql.Composable | None) -> sql.Composed:
    """A condition of a first pass, which prevents a generic plan for all values.

    With a `table`, only while row-level security is active on it for the current role.
    """
    decides = (
        sql.SQL("true")
        if table is None
        else sql.SQL("pg_catalog.row_security_active({}::pg_catalog.regclass)").format(
            table
        )
    )
    held = statement("own_plan", query=query, decides=decides)
    return sql.SQL("\n    and {}").format(held)


def check_short(
    layout: IndexLayout, table: sql.Composable, literal: Callable[[str], sql.Composable]
) -> sql.Composed:
    """A condition of a first pass: that the short column is what the layout says.

    The statement knows its table only by name. `table` is that name as a text, and
    `literal` writes a text. Another column is an error whose message begins with MARK.
    """
    before, after = mismatch(layout, f"{layout.table}.{layout.short}")
    checked = statement(
        "check_short",
        table=table,
        short=literal(layout.short),
        ours=is_short_column(
            GENERATED_BY,
            sql.Literal(function_of(layout)),
            literal(layout.column),
            sql.Literal(layout.dims),
        ),
        before=literal(MARK + before),
        after=literal(after),
    )
    return sql.SQL("\n    and {}").format(checked)


def check_unrotated(
    layout: IndexLayout, table: sql.Composable, literal: Callable[[str], sql.Composable]
) -> sql.Composed:
    """A condition of a first pass: that no index says that the column is rotated."""
    note = f"{MARK}column {layout.column} is rotated"
    checked = statement(
        "check_unrotated",
        table=table,
        note=literal(note),
        message=literal(f"{note}, {ROTATED}. An index says: "),
    )
    return sql.SQL("\n    and {}").format(checked)


def rotated(
    layout: IndexLayout,
    table: sql.Composable,
    literal: Callable[[str], sql.Composable],
    query: sql.Composable,
    full_type: str,
) -> sql.Composed:
    """The query as the rows of a rotated column are."""
    turned = statement(
        "rotated_query", table=table, column=literal(layout.column), query=query
    )
    return turned + sql.SQL(f"::{full_type}")


def standing(effort: Effort) -> sql.SQL:
    """A further column of the answer: the standing of a recall, or NULL."""
    if effort.recall is None:
        return sql.SQL(",\n    null::pg_catalog.text as standing")
    return sql.SQL(",\n    (select mrl_standing from mrl_before) as standing")


def answered_by(index: sql.Composable, stands_in: bool) -> sql.Composed:
    """Further columns: the index, and whether it stands in for the declared one."""
    return sql.SQL(
        ",\n    {}::pg_catalog.text as index_name,\n    {} as fallback"
    ).format(index, sql.Literal(stands_in))


def promise(
    layout: IndexLayout,
    effort: Effort,
    table: sql.Composable,
    index: sql.Composable,
    short: sql.Composable,
    filtered: bool,
) -> sql.Composed:
    """The calibration that a statement reads; table and names are literals."""
    return statement(
        "promise",
        table=table,
        index=index,
        short=short,
        distance=sql.Literal(layout.distance),
        k=sql.Literal(effort.k),
        recall=sql.Literal(effort.recall),
        filtered=sql.Literal(filtered),
        quantile=sql.Literal(effort.quantile),
    )
