"""What `calibrate` and `recall` share: how they ask the server, and what it refuses."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Literal, TypeAlias

from psycopg import errors, sql
from psycopg.errors import Diagnostic

from mrl_pg.arguments import check_whole, listed, shown
from mrl_pg.catalog import read as catalog
from mrl_pg.catalog import slots
from mrl_pg.catalog.facts import Facts, check_ready
from mrl_pg.errors import IndexNotFound, InvalidSetting, NotInstalled
from mrl_pg.exchange import AsyncConn, Conn
from mrl_pg.layout import IndexLayout
from mrl_pg.search.filter import Filter, about_filter, in_text, refusal
from mrl_pg.search.plan import MAX_ROWS, Queries, as_query
from mrl_pg.vectors import as_text

Teller: TypeAlias = Callable[[str], object]
"""Called now and then with a line about how far a measurement is."""

QuerySource: TypeAlias = "Queries | Literal['kept'] | None"
"""Queries to ask with: given ones, those that `keep_query` kept, or random rows."""

NOT_INSTALLED = (
    "mrl_pg 0.2 or later is not installed in this database: run "
    "mrl_pg.install(conn), `mrl-pg install` or psql -f sql/install.sql"
)


def check(layout: IndexLayout, facts: Facts) -> Facts:
    """The facts, when there is an index to measure and somebody to do it."""
    if not facts.mrl_installed:
        raise NotInstalled(NOT_INSTALLED)
    check_ready(layout, facts)
    return facts


def values(
    layout: IndexLayout,
    facts: Facts,
    k: int,
    sample: int | None,
    queries: QuerySource,
) -> dict[str, Any]:
    """Parameters of the statement; raises InvalidSetting or InvalidVector."""
    k = check_whole("k", k, 1, MAX_ROWS, "a measurement")
    if sample is not None:
        sample = check_whole("sample", sample, 1, MAX_ROWS, "a measurement")
    vectors = None
    if isinstance(queries, str):
        if queries != "kept":
            raise InvalidSetting(
                f"queries={shown(queries)}: give vectors, or 'kept' for those that "
                "keep_query kept"
            )
    elif queries is not None:
        bound = [as_query(layout, facts, query) for query in listed(queries)]
        vectors = [as_text(query.data, query.kind) for query in bound]
    return {
        "table": sql.Identifier(facts.schema, facts.table).as_string(),
        "column": layout.column,
        "k": k,
        "sample": sample,
        "index_name": layout.name,
        "queries": vectors,
        "kept": isinstance(queries, str),
    }


def statement(name: str, facts: Facts, **parts: sql.Composable) -> sql.Composed:
    """A statement that calls the server's function."""
    home = facts.extension_schema.replace("%", "%%")
    return slots.statement(name, extension=slots.home(home), **parts)


def hinted(error: errors.Error) -> str:
    """What the server says, and its hint."""
    said = (error.diag.message_primary, error.diag.message_hint)
    return "; ".join(filter(None, said))


@contextmanager
def asking(
    conn: Conn | AsyncConn,
    layout: IndexLayout,
    facts: Facts,
    filter: Filter,
    tell: Teller | None = None,
) -> Iterator[None]:
    """Hand on what the server says meanwhile, and say better what it refuses."""
    with _told(conn, tell):
        try:
            yield
        except errors.Error as error:
            catalog.forget(conn, layout)
            if catalog.not_installed(error):
                raise NotInstalled(NOT_INSTALLED) from error
            said = error.diag.message_primary or ""
            if isinstance(error, errors.UndefinedObject) and "short column" in said:
                raise IndexNotFound(hinted(error)) from error
            # the second: no query was kept
            if isinstance(error, (errors.InvalidParameterValue, errors.NoDataFound)):
                raise InvalidSetting(hinted(error)) from error
            if filter is None or not about_filter(error):
                raise
            raise refusal(in_text(conn, filter), facts, error) from error


@contextmanager
def _told(conn: Conn | AsyncConn, tell: Teller | None) -> Iterator[None]:
    if tell is None:
        yield
        return

    def hear(notice: Diagnostic) -> None:
        if notice.severity_nonlocalized == "NOTICE":
            tell(notice.message_primary or "")

    conn.add_notice_handler(hear)
    try:
        yield
    finally:
        conn.remove_notice_handler(hear)
