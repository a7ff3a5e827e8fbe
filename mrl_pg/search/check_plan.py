"""Whether a search would use its index: a guard for tests of applications."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from psycopg import sql

from mrl_pg import arguments, source
from mrl_pg.catalog.distribution import refuse_spread
from mrl_pg.errors import IndexNotUsed
from mrl_pg.exchange import (
    AnyConn,
    AsyncConn,
    Conn,
    Exchange,
    Find,
    Row,
    Send,
    cursors,
    look,
    run,
    run_async,
    undone,
)
from mrl_pg.layout import Searched
from mrl_pg.search.filter import Params
from mrl_pg.search.find import fresh_plan
from mrl_pg.search.options import SearchOptions
from mrl_pg.search.plan import NoVector, SearchPlan, bind
from mrl_pg.search.plan_tree import Node, Reading, VectorIndex, read_plan
from mrl_pg.vectors import VectorLike

SMALL = 10_000
"""Rows below which reading all of them may be right."""

MOST_ROWS = 10**15
"""More than any table holds."""

EXPLAIN = "explain (verbose, format json) "

OTHER_WAYS = ("enable_seqscan", "enable_bitmapscan", "enable_sort")
"""Settings that leave the planner no cheap way but an index in order of distance."""

Statement: TypeAlias = "str | bytes | sql.SQL | sql.Composed"

Explain: TypeAlias = Callable[[], Exchange[Node]]
"""Asks the server for the root of a plan."""


@dataclass(frozen=True, slots=True)
class PlanCheck:
    """The indexes that a search takes for its order by distance.

    `forced` is true if the planner took them only after it was kept from other ways,
    which is enough on a small table. `plan` is the root of PostgreSQL's plan.
    """

    index_names: tuple[str, ...]
    forced: bool
    plan: Node

    def __str__(self) -> str:
        """`uses docs_embedding_hnsw`, or that it could."""
        return f"{'could use' if self.forced else 'uses'} {', '.join(self.index_names)}"


def check_plan(
    conn: Conn,
    statement: Statement,
    params: Params = None,
    *,
    index_name: str | None = None,
    small: int = SMALL,
) -> PlanCheck:
    """Raise IndexNotUsed if a statement of yours would not use a vector index.

    `statement` and `params` are what you give to psycopg's `execute`; PostgreSQL plans
    the statement and does not run it. It has to take an HNSW or IVFFlat index, or the
    one that is named, for its order by distance, and for every partition that it reads.

    On a table of fewer than `small` rows PostgreSQL rightly reads all of them. There
    the index need only fit the statement: the planner is asked again, without its other
    ways. `small=0` asks what it does by itself.

    Raises InvalidSetting, and errors of psycopg for a statement that cannot be planned.
    """
    return run(conn, check_statement(conn, statement, params, index_name, small))


async def check_plan_async(
    conn: AsyncConn,
    statement: Statement,
    params: Params = None,
    *,
    index_name: str | None = None,
    small: int = SMALL,
) -> PlanCheck:
    """The same as `check_plan` on an asynchronous connection."""
    return await run_async(
        conn, check_statement(conn, statement, params, index_name, small)
    )


def check_statement(
    conn: AnyConn,
    statement: Statement,
    params: Params,
    index_name: str | None,
    small: int,
) -> Exchange[PlanCheck]:
    """The check of a statement for psycopg."""
    text = cursors.as_bytes(conn, statement)

    def explain() -> Exchange[Node]:
        return (yield from _explained(EXPLAIN.encode() + text, params))

    return (yield from check_explained(explain, index_name, small, "the statement"))


def check_search(
    conn: AnyConn,
    searched: Searched,
    query: "VectorLike | None",
    options: SearchOptions,
    small: int,
) -> Exchange[PlanCheck]:
    """The check of a search; see `SearchMethods.check_plan`."""
    given = NoVector.WORDS_ALONE if query is None else query
    plan = yield from fresh_plan(conn, searched, given, options)
    layout, facts = plan.shape.layout, plan.shape.facts
    refuse_spread(facts.where, facts.distribution, "each shard has a plan of its own")
    if query is None:
        # planning reads no row, and the vector makes no difference
        ones = np.ones(facts.full_dims or layout.dims, dtype=np.float32)
        plan = plan.with_bound(bind(plan.shape, ones, plan.values))
    if plan.shape.effort.scan == "exact":
        raise IndexNotUsed(f"this search of {layout.table} is exact: {_why(options)}")
    if plan.fallback:
        raise IndexNotUsed(
            f"{searched} has no usable index, and {layout.name} stands in: create it, "
            "or run `mrl-pg repair`"
        )

    def explain() -> Exchange[Node]:
        return (yield from _explained(EXPLAIN.encode() + plan.statement, plan.params))

    wanted = facts.table_id
    return (yield from check_explained(explain, wanted, small, _search_of(plan)))


def check_explained(
    explain: Explain, wanted: "str | int | None", small: int, what: str
) -> Exchange[PlanCheck]:
    """The check of a plan, which `explain` asks for on any connection."""
    small = arguments.check_whole("small", small, 0, MOST_ROWS, "a plan check")
    rows = yield from look(source.statement("vector_indexes"))
    indexes = [VectorIndex(**row) for row in rows]
    plan = yield from explain()
    reading = read_plan(plan, indexes)
    if reading.takes(wanted):
        return _check(plan, reading, forced=False)
    forced_plan = yield from undone(_without_other_ways(explain))
    forced = read_plan(forced_plan, indexes)
    most = max((each.rows for each in reading.tables), default=0)
    # with all ways turned off, the planner takes any
    fits = forced.takes(wanted) and all(each.scannable for each in forced.used)
    if fits and most < small:
        return _check(forced_plan, forced, forced=True)
    raise IndexNotUsed(_refusal(what, wanted, forced if not fits else reading, fits))


def _check(plan: Node, reading: Reading, *, forced: bool) -> PlanCheck:
    names = sorted({each.root for each in reading.used})
    return PlanCheck(tuple(names), forced, plan)


def _without_other_ways(explain: Explain) -> Exchange[Node]:
    for name in OTHER_WAYS:
        yield Send(f"set local {name} = off")
    return (yield from explain())


def _explained(statement: bytes, params: Any) -> Exchange[Node]:
    """The root of the plan; the server takes no second statement behind the first."""
    if params is None:
        rows: list[Row] = yield Send(statement, binary=True)
        (answer,) = rows[0].values()
    else:
        found = yield Find(statement, params, False)
        answer = found.rows[0][0]
    return root_of(answer)


def root_of(answer: Any) -> Node:
    """The root of a plan, as the loaders of a connection return it."""
    tree = json.loads(answer) if isinstance(answer, (str, bytes)) else answer
    root: Node = tree[0]["Plan"]
    return root


def _search_of(plan: SearchPlan) -> str:
    return f"a search of {plan.shape.layout.table} by {plan.shape.layout.name}"


def _why(options: SearchOptions) -> str:
    if options.exact:
        return "leave out exact=True"
    if options.tenant is not None:
        return "the tenant has no index of its own, see docs/tenants.md"
    return (
        "exact search was fastest when it was calibrated; give candidates, or "
        "calibrate again"
    )


def _refusal(
    what: str, wanted: "str | int | None", reading: Reading, fits: bool
) -> str:
    index = f"index {wanted}" if isinstance(wanted, str) else "a vector index"
    text = f"{what} does not use {index}: it reads {', '.join(reading.scans)}"
    if reading.sorted_parts:
        text += f", and sorts {', '.join(reading.sorted_parts)}"
    tables = dict.fromkeys(each.root_table for each in reading.tables)
    if fits:
        return (
            f"{text}. The index fits, but the planner takes another way: analyze "
            f"{', '.join(tables)}; if a filter lets few rows through, that way is right"
        )
    if not tables:
        return f"{text}. None of these tables has an HNSW or IVFFlat index: create it"
    there = "; ".join(dict.fromkeys(each.definition for each in reading.tables))
    return (
        f"{text}. No index fits: order by the expression and the operator of the "
        f"index, ascending, with a limit; enable_indexscan must be on. There are: "
        f"{there}"
    )
