"""The verbs of searching: find, find for many queries, and the plan of a search."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeAlias, TypeVar

from psycopg import sql

from mrl_pg.arguments import listed
from mrl_pg.catalog.facts import Facts
from mrl_pg.catalog.in_use import fallback, forget_index_in_use, index_in_use
from mrl_pg.catalog.read import find_names, forget_facts, known_facts, known_names
from mrl_pg.errors import IndexMismatch, IndexNotFound, MrlError
from mrl_pg.exchange import (
    AnyConn,
    Exchange,
    Find,
    FindMany,
    FoundRows,
    Send,
    cursors,
    undone,
)
from mrl_pg.layout import IndexInUse, IndexLayout, Searched, TenantIndex
from mrl_pg.search.effort import check_kind, check_size
from mrl_pg.search.filter import in_text
from mrl_pg.search.options import SearchOptions
from mrl_pg.search.plan import (
    NoVector,
    Probed,
    SearchParams,
    SearchPlan,
    bind,
    make_plan,
)
from mrl_pg.search.probes import read_probed
from mrl_pg.search.promise import PromiseStep
from mrl_pg.search.promised import read_promise
from mrl_pg.search.result import (
    AnyResult,
    Found,
    SearchResult,
    needed_step,
    read_found,
    read_more,
    read_stamp,
    with_promise,
)
from mrl_pg.search.shape import Shape
from mrl_pg.search.spread import check_stamp
from mrl_pg.search.stale import Stale, explained, losses
from mrl_pg.search.tenant import TenantPlace, narrowed, read_tenant
from mrl_pg.vectors import VectorLike, VectorsLike

T = TypeVar("T")

TRIES = 5
"""How often a search is tried while others change its table; most need one."""

Read: TypeAlias = Callable[[Shape, FoundRows], Found[AnyResult]]
"""Reads the answer to the statement of a search."""

LeftOver: TypeAlias = dict[int, bool]
"""Whether the table holds more rows, by the number of candidates seen."""


def find(
    conn: AnyConn, searched: Searched, query: VectorLike, options: SearchOptions
) -> Exchange[SearchResult]:
    """Answers of one search; raises InvalidFilter if its `filter` does not parse."""

    def once(plan: SearchPlan, last: bool) -> Exchange[SearchResult]:
        return (yield from find_once(conn, plan, read_found, last=last))

    return (yield from until_fresh(conn, searched, query, options, once))


def find_once(
    conn: AnyConn, plan: SearchPlan, read: Read[AnyResult], *, last: bool
) -> Exchange[AnyResult]:
    """Answers of a plan, and of a wider one if they are so far away.

    Raises Stale for what another try may fix, but not after the `last`.
    """
    with explained(conn, plan, last=last):
        result = yield from _search(plan, read)
        if step := needed_step(result):
            result = yield from _search(plan.wider(step), read)
        return with_promise(result)


def find_many(
    conn: AnyConn, searched: Searched, queries: VectorsLike, options: SearchOptions
) -> Exchange[list[SearchResult]]:
    """Answers of one statement for many queries, all sent in one round trip."""
    vectors = listed(queries)
    if not vectors:
        return []

    def once(plan: SearchPlan, last: bool) -> Exchange[list[SearchResult]]:
        batch = yield from _bind_all(conn, plan, vectors, options)
        left_over: LeftOver = {}
        with explained(conn, plan, last=last):
            results = yield from _search_many(plan, batch, left_over)
            # places of the answers that are farther away
            far: dict[PromiseStep, list[int]] = {}
            for place, result in enumerate(results):
                if step := needed_step(result):
                    far.setdefault(step, []).append(place)
            for step, places in far.items():
                some = [batch[place] for place in places]
                again = yield from _search_many(plan.wider(step), some, left_over)
                for place, result in zip(places, again, strict=True):
                    results[place] = result
            results = [with_promise(result) for result in results]
        return results

    return (yield from until_fresh(conn, searched, vectors[0], options, once))


def _bind_all(
    conn: AnyConn, plan: SearchPlan, queries: list[VectorLike], options: SearchOptions
) -> Exchange[list[SearchParams]]:
    """Parameters of the statement for each query, which may have parts of its own."""
    shape, probed = plan.shape, list[Probed | None]([None] * len(queries))
    if options.probes is not None and shape.part_column is not None:
        probed[:] = yield from read_probed(
            conn, shape.layout, shape.facts, queries, options.probes
        )
    return [
        bind(shape, query, plan.values, parts)
        for query, parts in zip(queries, probed, strict=True)
    ]


def _search(plan: SearchPlan, read: Read[AnyResult]) -> Exchange[AnyResult]:
    answer = yield from _ask(plan, Find(plan.statement, plan.sent, plan.prepared))
    return (yield from _complete(plan, answer, {}, read))


def _ask(plan: SearchPlan, request: Find | FindMany) -> Exchange[Any]:
    """The answer; on a table of Citus with its settings, and if it is still that table.

    Nothing stays set: the transaction is rolled back, or a savepoint in the caller's.
    Raises Stale.
    """
    if not plan.shape.is_spread:
        return (yield request)
    answer = yield from (undone(_set_and_ask(plan, request)))
    read_stamp(plan.shape, (yield Find(check_stamp(plan.shape), {}, False)))
    return answer


def _set_and_ask(plan: SearchPlan, request: Find | FindMany) -> Exchange[Any]:
    for setting in plan.settings:
        yield Send(setting)
    return (yield request)


def _search_many(
    plan: SearchPlan, batch: list[SearchParams], left_over: LeftOver
) -> Exchange[list[SearchResult]]:
    results: list[SearchResult] = []
    sent = [plan.with_bound(bound).sent for bound in batch]
    answers = yield from _ask(plan, FindMany(plan.statement, sent, plan.prepared))
    for bound, answer in zip(batch, answers, strict=True):
        own = plan.with_bound(bound)
        results.append((yield from _complete(own, answer, left_over, read_found)))
    return results


def fresh_plan(
    conn: AnyConn,
    searched: Searched,
    query: "VectorLike | NoVector",
    options: SearchOptions,
) -> Exchange[SearchPlan]:
    """The plan of a search from facts read now, because nothing checks them later."""
    forget_index_in_use(conn, searched)
    if isinstance(searched, IndexLayout):
        forget_facts(conn, searched)
    return (yield from prepare(conn, searched, query, options))


def prepare(
    conn: AnyConn,
    searched: Searched,
    query: "VectorLike | NoVector",
    options: SearchOptions,
) -> Exchange[SearchPlan]:
    """The plan of a search; raises errors only after reading the facts again."""
    if isinstance(options.filter, sql.Composable):
        options = replace(options, filter=in_text(conn, options.filter))
    if options.tenant is not None:
        return (yield from _of_tenant(conn, searched, query, options))
    if isinstance(searched, IndexLayout):
        check_size(options, searched)
        check_kind(options, searched)
        return (yield from _prepare(conn, searched, query, options))
    layout = yield from _in_use(conn, searched, options)
    try:
        return (yield from _prepare(conn, layout, query, options))
    except MrlError:
        # perhaps another index is in use by now
        forget_index_in_use(conn, searched)
        fresh = yield from _in_use(conn, searched, options)
        if fresh == layout:
            raise
    return (yield from _prepare(conn, fresh, query, options))


def _of_tenant(
    conn: AnyConn,
    searched: Searched,
    query: "VectorLike | NoVector",
    options: SearchOptions,
) -> Exchange[SearchPlan]:
    """The plan of a search of one tenant: by its index, or exact if it has none."""
    for last in (False, True):
        own = yield from read_tenant(searched, str(options.tenant))
        asked = replace(options, exact=options.exact or not own.has_index)
        try:
            return (yield from _prepare(conn, own.layout, query, asked, own))
        except (IndexNotFound, IndexMismatch):
            # dropped since the server was asked
            if last:
                raise
    raise AssertionError


def _in_use(
    conn: AnyConn, searched: Searched, options: SearchOptions
) -> Exchange[IndexInUse]:
    size, kind = options.dims, options.kind
    return (
        yield from index_in_use(
            conn, searched, exact=options.exact, dims=size, kind=kind
        )
    )


def _prepare(
    conn: AnyConn,
    layout: IndexLayout,
    query: "VectorLike | NoVector",
    options: SearchOptions,
    own: TenantPlace | None = None,
) -> Exchange[SearchPlan]:
    if (named := known_names(conn, layout)) != layout:
        try:
            facts = yield from known_facts(conn, named)
            return (yield from _decide(conn, named, facts, query, options, own))
        except MrlError:
            # perhaps there is another name once more
            forget_facts(conn, named)
            forget_facts(conn, layout)
    while True:
        facts = yield from known_facts(conn, layout)
        try:
            return (yield from _decide(conn, layout, facts, query, options, own))
        except MrlError as error:
            forget_facts(conn, layout)
            if (yield from known_facts(conn, layout)) == facts:
                return (yield from _by_another(conn, layout, error, query, options))


def _by_another(
    conn: AnyConn,
    layout: IndexLayout,
    error: MrlError,
    query: "VectorLike | NoVector",
    options: SearchOptions,
) -> Exchange[SearchPlan]:
    """The plan by the index's new name, or by one that stands in; else raises `error`.

    What stands in is not cached, so that the index is noticed when it appears.
    """
    refused = not isinstance(error, (IndexNotFound, IndexMismatch))
    # nothing stands in for the index of a tenant: its search is exact then
    if refused or isinstance(layout, TenantIndex):
        raise error
    facts = yield from known_facts(conn, layout)
    other = yield from find_names(conn, layout, facts)
    stands_in = False
    if other is None and isinstance(error, IndexNotFound):
        other = yield from fallback(layout)
        stands_in = True
    if other is None:
        raise error
    facts = yield from known_facts(conn, other)
    plan = yield from _decide(conn, other, facts, query, options)
    return replace(plan, fallback=stands_in)


def _decide(
    conn: AnyConn,
    layout: IndexLayout,
    facts: Facts,
    query: "VectorLike | NoVector",
    options: SearchOptions,
    own: TenantPlace | None = None,
) -> Exchange[SearchPlan]:
    # before the rows are narrowed, because the index of a tenant has its rows alone
    promise = yield from read_promise(conn, layout, options)
    if own is not None:
        promise = promise and replace(promise, tenant=own.key)
        exactly = promise is not None and promise.candidates is None
        options = narrowed(options, own, exact=options.exact or exactly)
    probed = None
    if options.probes is not None and options.searches_parts:
        if not isinstance(query, NoVector):
            (probed,) = yield from read_probed(
                conn, layout, facts, [query], options.probes
            )
    with cursors.writable(conn):
        return make_plan(
            layout,
            facts,
            query,
            options,
            promise=promise,
            probed=probed,
            encoding=cursors.encoding(conn),
            losses=losses(conn),
        )


def until_fresh(
    conn: AnyConn,
    searched: Searched,
    query: "VectorLike | NoVector",
    options: SearchOptions,
    once: Callable[[SearchPlan, bool], Exchange[T]],
) -> Exchange[T]:
    """Carry out a plan; while its facts are stale, again with fresh facts."""
    plan = yield from prepare(conn, searched, query, options)
    for _ in range(TRIES - 1):
        try:
            return (yield from once(plan, False))
        except Stale:
            forget_index_in_use(conn, searched)
        fresh = yield from prepare(conn, searched, query, options)
        plan = fresh.unprepared()
    return (yield from once(plan, True))


def _complete(
    plan: SearchPlan, answer: FoundRows, left_over: LeftOver, read: Read[AnyResult]
) -> Exchange[AnyResult]:
    """The result. If too few rows came, look for more, and scan further if there are.

    `left_over` remembers whether there are more, because a batch shares one filter.
    """
    shape = plan.shape
    found = read(shape, answer)
    if shape.effort.scan == "exact" and not found.stamped and not shape.is_spread:
        read_stamp(shape, (yield Find(plan.more_statement, {}, False)))
    if found.seen is None or not found.is_short(shape):
        return found.result(plan, cut_short=False)
    if found.seen not in left_over:
        more = yield Find(plan.more_statement, plan.more_bound(found.seen), False)
        left_over[found.seen] = read_more(shape, more, found.seen)
    if left_over[found.seen] and shape.effort.scan == "single":
        plan = plan.iterative()
        answer = yield from _ask(plan, Find(plan.statement, plan.sent, plan.prepared))
        return (yield from _complete(plan, answer, left_over, read))
    return found.result(plan, cut_short=left_over[found.seen])
