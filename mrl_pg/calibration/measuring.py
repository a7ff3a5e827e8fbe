"""What `calibrate` and `recall` share: how they ask the server, and what it refuses."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from psycopg import errors, sql
from psycopg.errors import Diagnostic

from mrl_pg.arguments import check_whole, flag, listed, shown
from mrl_pg.catalog import slots
from mrl_pg.catalog.distribution import NOT_MEASURED, refuse_spread
from mrl_pg.catalog.facts import Facts, check_ready
from mrl_pg.catalog.read import find_names, forget_facts, not_installed, read_facts
from mrl_pg.errors import IndexMismatch, IndexNotFound, InvalidSetting, NotInstalled
from mrl_pg.exchange import AnyConn, Exchange, look
from mrl_pg.exchange.arrays import vector_array
from mrl_pg.exchange.progress import OnProgress, Progress
from mrl_pg.exchange.server_message import server_message
from mrl_pg.layout import IndexLayout, TenantIndex
from mrl_pg.search.filter import Filter, about_filter, in_text, refusal
from mrl_pg.search.options import MAX_ROWS
from mrl_pg.search.plan import as_query
from mrl_pg.vectors import VectorsLike, as_vector_wire

NOT_INSTALLED = (
    "mrl_pg 0.2 or later is not installed in this database: run "
    "mrl_pg.install(conn), `mrl-pg install` or psql -f sql/install.sql"
)


def ready(
    conn: AnyConn,
    layout: IndexLayout,
    *,
    registered: bool = True,
    spread: bool = False,
) -> Exchange[tuple[IndexLayout, Facts]]:
    """The layout with its names by now, and facts of a table that can be measured.

    `registered`: only by names that the registry knows, under which figures are kept.
    Raises SpreadTable for a table of Citus, unless `spread`.
    """
    facts = yield from read_facts(layout)
    if not spread:
        refuse_spread(facts.where, facts.distribution, NOT_MEASURED)
    if not facts.mrl_installed:
        raise NotInstalled(NOT_INSTALLED)
    try:
        check_ready(layout, facts)
    except (IndexNotFound, IndexMismatch):
        # no other index has the rows of a tenant
        if isinstance(layout, TenantIndex):
            raise
        renamed = yield from find_names(conn, layout, facts, registered=registered)
        if renamed is None:
            raise
        layout, facts = renamed, (yield from read_facts(renamed))
        check_ready(layout, facts)
    return layout, facts


def values(
    layout: IndexLayout,
    facts: Facts,
    k: int,
    sample: int | None,
    queries: "VectorsLike | None",
    real_queries: bool,
    rows: bool = False,
) -> Exchange[dict[str, Any]]:
    """Parameters of the statement; raises InvalidSetting or InvalidVector.

    `given` is the number of queries, None if there are none of the caller's.
    """
    real_queries, rows = flag("real_queries", real_queries), flag("rows", rows)
    if rows and (real_queries or queries is not None):
        raise InvalidSetting(
            "rows=True and queries were both given: measure with rows of the table or "
            "with queries"
        )
    k = check_whole("k", k, 1, MAX_ROWS, "a measurement")
    if sample is not None:
        sample = check_whole("sample", sample, 1, MAX_ROWS, "a measurement")
    sent, given = None, None
    if queries is not None:
        if real_queries:
            raise InvalidSetting(
                "queries= and real_queries=True were both given: measure with your "
                "vectors or with those that keep_query kept"
            )
        if isinstance(queries, str):
            raise InvalidSetting(
                f"queries={shown(queries)}: give vectors, or real_queries=True for "
                "those that keep_query kept"
            )
        bound = [as_query(layout, facts, query) for query in listed(queries)]
        # with parameters, so that doubled percent signs are read
        found = yield from look(statement("vector_type", facts), {}, binary=True)
        vectors = [as_vector_wire(query.data, query.kind) for query in bound]
        sent, given = vector_array(found[0]["type_id"], vectors), len(vectors)
    return {
        "table": sql.Identifier(facts.schema, facts.table).as_string(),
        "column": layout.column,
        "k": k,
        "sample": sample,
        "index_name": layout.name,
        "queries": sent,
        "given": given,
        "real_queries": real_queries,
        "as_rows": rows,
        "weights": None,
    }


def statement(name: str, facts: Facts, **parts: sql.Composable) -> sql.Composed:
    """A statement that calls the server's function."""
    home = facts.extension_schema.replace("%", "%%")
    return slots.statement(name, extension=slots.home(home), **parts)


@contextmanager
def explained(
    conn: AnyConn, layout: IndexLayout, facts: Facts, filter: Filter
) -> Iterator[None]:
    """Raise the server's refusals of a measurement as errors of mrl_pg."""
    try:
        yield
    except errors.Error as error:
        forget_facts(conn, layout)
        if not_installed(error):
            raise NotInstalled(NOT_INSTALLED) from error
        said = server_message(error)
        if isinstance(error, errors.UndefinedObject) and "short column" in said.message:
            raise IndexNotFound(f"{said}") from error
        # the second: there are no real queries yet
        if isinstance(error, (errors.InvalidParameterValue, errors.NoDataFound)):
            raise InvalidSetting(f"{said}") from error
        if filter is None or not about_filter(error):
            raise
        raise refusal(in_text(conn, filter), facts.where, error) from error


@contextmanager
def reported(conn: AnyConn, progress: OnProgress | None) -> Iterator[None]:
    """Call `progress` with each notice that the server sends inside the block."""
    if progress is None:
        yield
        return

    def hear(notice: Diagnostic) -> None:
        if notice.severity_nonlocalized == "NOTICE":
            progress(_progress(notice))

    conn.add_notice_handler(hear)
    try:
        yield
    finally:
        conn.remove_notice_handler(hear)


def _progress(notice: Diagnostic) -> Progress:
    """The message, and the numbers of a detail such as `200 of 500`."""
    counts = re.match(r"(\d+) of (\d+)", notice.message_detail or "")
    done, total = map(int, counts.groups()) if counts else (0, None)
    return Progress(notice.message_primary or "", done, total)
