"""Conditions whose rows are known here, and conditions that nobody should send."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from psycopg import sql

from support.hostile.tables import MARKER, Row, Table
from support.hostile.values import INJECTIONS, TEXTS, WRITE


@dataclass(frozen=True, slots=True)
class Filter:
    """A condition as Python takes it (an expression, and its `params`) and as SQL does.

    `args` are the values for SQL. `passes` tells for which rows the condition is true;
    None if that is unknown.
    """

    python: str
    sql: str
    params: str | None = None
    args: Sequence[str] | None = None
    passes: Callable[[Row], bool] | None = None


def _name(table: Table) -> tuple[str, str]:
    """The column `n` in SQL, and in a text whose percent signs mean something."""
    name = sql.Identifier(table.n).as_string()
    return name, name.replace("%", "%%")


def _below(table: Table, edge: int) -> Filter:
    plain, doubled = _name(table)
    return Filter(
        repr(f"{doubled} < %(a)s"),
        f"{plain} < $1::int",
        repr({"a": edge}),
        [str(edge)],
        lambda row: row.n < edge,
    )


def _in_order(table: Table, edge: int) -> Filter:
    plain, doubled = _name(table)
    return Filter(
        repr(f"{doubled} >= %s and tenant <> %s"),
        f"{plain} >= $1::int and tenant <> $2::int",
        repr([edge, 1]),
        [str(edge), "1"],
        lambda row: row.n >= edge and row.tenant != 1,
    )


def _any(table: Table, edge: int) -> Filter:
    plain, doubled = _name(table)
    return Filter(
        repr(f"{doubled} = any (%(a)s)"),
        f"{plain} = any ($1::int[])",
        repr({"a": [edge, 3]}),
        [f"{{{edge},3}}"],
        lambda row: row.n in (edge, 3),
    )


def _title(_: Table, edge: int) -> Filter:
    return Filter(
        repr(f"title like 'title {edge}%%' /* %% it's */"),
        f"title like 'title {edge}%' /* $$ it's */",
        passes=lambda row: row.title.startswith(f"title {edge}"),
    )


def _comment(table: Table, edge: int) -> Filter:
    plain, doubled = _name(table)
    return Filter(
        repr(f"{doubled} = {edge} or tenant = 2 -- it's"),
        f"{plain} = {edge} or tenant = 2 -- it's",
        passes=lambda row: row.n == edge or row.tenant == 2,
    )


def _nothing(_: Table, __: int) -> Filter:
    return Filter("'false'", "false", passes=lambda _: False)


def _all(_: Table, __: int) -> Filter:
    return Filter("sql.SQL('true')", "true", "{}", passes=lambda _: True)


def _quoted(table: Table, edge: int) -> Filter:
    return Filter(
        f"sql.SQL('{{}} <> {edge}').format(sql.Identifier({table.n!r}))"
        if "%" not in table.n
        else f"'tenant * 0 + {edge} >= 0'",
        f"{_name(table)[0]} <> {edge}" if "%" not in table.n else f"{edge} >= 0",
        passes=(lambda row: row.n != edge)
        if "%" not in table.n
        else lambda _: edge >= 0,
    )


USUAL = (_below, _in_order, _any, _title, _comment, _nothing, _all, _quoted)

HOSTILE = [
    *("", " ", ";", "true;", "true; select 1", "true) or (true", "true --", "true /*"),
    *("1/0 = 1", "tenant / (tenant - tenant) = 1", "random() < 0.5", "tenant", "5"),
    *("generate_series(1, 3) > 1", "null", "'x'", "'true'", "embedding is null"),
    *("nope = 1", "mrl_query is null", "mrl_before is not null", "distance < 1"),
    *("seen > 0", "key_1 = 1", "(select count(*) from mrl.registry) > 0", "$1 = 1"),
    *("$2 = 1", "$17 = 1", "$0 = 1", "$99999999999 = 1", "$1", "$1::int = 1", "%"),
    *("tenant % 2 = 0", "tenant %% 2 = 0", "tenant = %s", "%(a", "tenant = %(a)s"),
    *("tenant = %(mrl_query)s", "tenant = :a", "tenant = ?", "true limit 1", "and"),
    *(
        "true order by 1",
        "true union select 1",
        "count(*) > 0",
        "tenant = 1 for update",
    ),
    *(
        "row_number() over () > 1",
        "tenant = any (array[1, 2",
        "('x' || tenant)::int = 1",
    ),
    *("tenant = 'x'", "docs.tenant = 1", "public.docs.tenant = 1", "ctid is not null"),
    *("candidates.tenant = 1", "tableoid > 0", "grouping(tenant) = 0", "title ~ '('"),
    *("tenant = $template$1$template$::int", "title like '\\'", "tenant < 5 and"),
    *("E'\\'' = ''", "U&'\\0041' = 'A'", "exists (select from docs)", "true\n-- \n"),
    *(
        "é = 1",
        "{tenant} < 5",
        "{{}}",
        "{where}",
        "default",
        "'a\0b' = ''",
        "'\udcff' = ''",
    ),
    *("current_setting('nope') is null", "pg_typeof(tenant) = 'int'::regtype"),
    *("(" * 300 + "true" + ")" * 300, "(" * 60000 + "true" + ")" * 60000),
    f"tenant in ({', '.join(map(str, range(20000)))})",
    f"exists (with x as ({WRITE} returning 1) select from x)",
    f"true) as x; {WRITE}; --",
    f"true; {WRITE}",
    f"true) ; {WRITE}; select (true",
    f"{MARKER} is null",
    *("id in (select id from docs order by id limit 3)", "tenant = 1 is true"),
    *("(select embedding from docs limit 1) is not null", "exists (select from nope)"),
    *("tenant operator(public.=) 1", "row(tenant) = row(1)", "docs is not null"),
    *("mrl.search is null", "(docs).tenant = 1", "title collate \"nope\" = 'x'"),
    *(
        "tenant::text::vector is null",
        "'[1]'::vector is null",
        "repeat('x', 10) = title",
    ),
    *INJECTIONS,
]

OBJECTS = [
    *("5", "b'true'", "[]", "['true']", "{}", "True", "False", "0", "object()", "nan"),
    *("sql.SQL('true')", "sql.Identifier('tenant')", "sql.Literal(True)", "('true',)"),
    *("sql.Composed([])", "sql.Placeholder('a')", "sql.SQL('%s')", "MyStr('true')"),
    *("sql.SQL('{}').format(1)", "sql.Composed([sql.SQL('tenant ='), sql.Literal(1)])"),
    *("sql.Literal(object())", "sql.SQL('tenant = ') + sql.Placeholder()", "BadRepr()"),
    *("UserString('true')", "BadHash('true')", "BadEq()", "Everything()", "sql.SQL"),
    *(
        "sql.Identifier('a\\0b')",
        "sql.Literal('a\\0b')",
        "sql.Literal('\\udcff')",
        "b''",
    ),
    *TEXTS[10:16],
]
