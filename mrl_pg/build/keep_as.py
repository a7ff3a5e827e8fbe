"""Has an index keep its short values in another way, beside the one that is used."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial

from psycopg import errors, sql

from mrl_pg.arguments import check_callable, check_choice, flag
from mrl_pg.build import online
from mrl_pg.build.create import rebuild_refused, report_of
from mrl_pg.build.fill import fill
from mrl_pg.build.progress import watch
from mrl_pg.build.report import BuildReport
from mrl_pg.build.steps import Step, read_steps
from mrl_pg.catalog import slots
from mrl_pg.catalog.distribution import refuse_spread
from mrl_pg.catalog.facts import Facts, check_installed
from mrl_pg.catalog.read import forget_facts, read_facts
from mrl_pg.errors import (
    IndexMismatch,
    IndexNotFound,
    InvalidSetting,
)
from mrl_pg.exchange import AnyConn, Exchange, commits_each
from mrl_pg.exchange.progress import OnProgress
from mrl_pg.exchange.server_message import server_message
from mrl_pg.kinds import KEEPS, Keep
from mrl_pg.layout import IndexLayout

EXPRESSION_ALONE = (
    "its short values are kept by an expression index, which Citus builds on each "
    "shard: leave it as it is"
)


def keep_as(
    conn: AnyConn,
    layout: IndexLayout,
    keep: Keep,
    *,
    rebuild: bool = False,
    progress: OnProgress | None = None,
) -> Exchange[BuildReport]:
    """Build the index in another form, exchange the two, and drop the old one.

    Each step is committed. Until the two exchange their names, searches use the old
    index, and from then on the new one. Safe to repeat: it does what is missing.
    """
    check_choice("keep", keep, KEEPS)
    check_callable("progress", progress)
    rebuild = flag("rebuild", rebuild)
    if not commits_each(conn):
        raise InvalidSetting(
            "keep_as in a transaction: PostgreSQL builds an index concurrently only "
            "outside any; open the connection with autocommit=True"
        )
    facts = yield from read_facts(layout)
    check_installed(facts)
    refuse_spread(facts.where, facts.distribution, EXPRESSION_ALONE)
    watched = partial(watch, conn, progress)
    filling = fill(layout, facts, progress)
    body = _keep_as(layout, facts, keep, rebuild, watched, filling)
    report = yield from online.alone(layout, facts.table_id, body)
    forget_facts(conn, layout)
    return report


def _keep_as(
    layout: IndexLayout,
    facts: Facts,
    keep: Keep,
    rebuild: bool,
    watched: Callable[[], AbstractContextManager[None]],
    filling: Exchange[None],
) -> Exchange[BuildReport]:
    steps = yield from _read(layout, facts, keep, rebuild)
    made = yield from online.carry_out(steps, {}, watched, facts.table_id, filling)
    return (yield from report_of(layout, facts, steps, made))


def _read(
    layout: IndexLayout, facts: Facts, keep: Keep, rebuild: bool
) -> Exchange[list[Step]]:
    """The steps, as `mrl.keep_as_sql` gives them."""
    table = sql.Identifier(facts.schema, facts.table).as_string()
    query = slots.statement(
        "keep_steps",
        table=sql.Literal(table),
        column=sql.Literal(layout.column),
        keep=sql.Literal(keep),
        dims=sql.Literal(layout.dims),
        kind=sql.Literal(layout.kind),
        index=sql.Literal(layout.name),
        rebuild=sql.Literal(rebuild),
    )
    try:
        return (yield from read_steps(query))
    except errors.UndefinedObject as error:
        raise IndexNotFound(f"{layout}: {server_message(error)}") from error
    except errors.InvalidParameterValue as error:
        raise InvalidSetting(f"{layout}: {server_message(error)}") from error
    except (errors.DuplicateColumn, errors.DuplicateObject) as error:
        raise IndexMismatch(str(server_message(error))) from error
    except errors.ObjectNotInPrerequisiteState as error:
        raise rebuild_refused(error) from error
