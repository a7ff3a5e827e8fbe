"""The verbs of searching: find, find for many queries, and the plan of a search."""

from collections.abc import Callable
from dataclasses import replace
from typing import TypeAlias, TypeVar

from psycopg import sql

from mrl_pg.arguments import listed
from mrl_pg.catalog.facts import Facts
from mrl_pg.catalog.read import find_names, forget_facts, known_facts, known_names
from mrl_pg.errors import IndexMismatch, IndexNotFound, MrlError
from mrl_pg.exchange import AnyConn, Exchange, Find, FindMany, FoundRows, cursors
from mrl_pg.layout import IndexLayout
from mrl_pg.search.filter import in_text
from mrl_pg.search.options import SearchOptions
from mrl_pg.search.plan import SearchPlan, bind, make_plan
from mrl_pg.search.promised import read_promise
from mrl_pg.search.result import SearchResult, read_found, read_more, read_stamp
from mrl_pg.search.stale import Stale, explained, losses
from mrl_pg.vectors import VectorLike, VectorsLike

T = TypeVar("T")

LeftOver: TypeAlias = dict[int, bool]
"""Whether the table holds more rows, by the number of candidates seen."""


def find(
    conn: AnyConn, layout: IndexLayout, query: VectorLike, options: SearchOptions
) -> Exchange[SearchResult]:
    """Answers of one search; raises InvalidFilter if its `filter` does not parse."""

    def once(plan: SearchPlan, last: bool) -> Exchange[SearchResult]:
        with explained(conn, plan, last=last):
            answer = yield Find(plan.statement, plan.bound, plan.prepared)
            return (yield from _complete(plan, answer, {}))

    return (yield from _twice(conn, layout, query, options, once))


def find_many(
    conn: AnyConn, layout: IndexLayout, queries: VectorsLike, options: SearchOptions
) -> Exchange[list[SearchResult]]:
    """Answers of one statement for many queries, all sent in one round trip."""
    vectors = listed(queries)
    if not vectors:
        return []

    def once(plan: SearchPlan, last: bool) -> Exchange[list[SearchResult]]:
        batch = [bind(plan.shape, query, options.params) for query in vectors]
        results: list[SearchResult] = []
        left_over: LeftOver = {}
        with explained(conn, plan, last=last):
            answers = yield FindMany(plan.statement, batch, plan.prepared)
            for bound, answer in zip(batch, answers, strict=True):
                own = plan.with_bound(bound)
                results.append((yield from _complete(own, answer, left_over)))
        return results

    return (yield from _twice(conn, layout, vectors[0], options, once))


def fresh_plan(
    conn: AnyConn, layout: IndexLayout, query: VectorLike, options: SearchOptions
) -> Exchange[SearchPlan]:
    """The plan of a search from facts read now, because nothing checks them later."""
    forget_facts(conn, layout)
    return (yield from prepare(conn, layout, query, options))


def prepare(
    conn: AnyConn, layout: IndexLayout, query: VectorLike, options: SearchOptions
) -> Exchange[SearchPlan]:
    """The plan of a search; raises errors only after reading the facts again."""
    if isinstance(options.filter, sql.Composable):
        options = replace(options, filter=in_text(conn, options.filter))
    if (named := known_names(conn, layout)) != layout:
        try:
            facts = yield from known_facts(conn, named)
            return (yield from _decide(conn, named, facts, query, options))
        except MrlError:
            # perhaps there is another name once more
            forget_facts(conn, named)
            forget_facts(conn, layout)
    facts = yield from known_facts(conn, layout)
    try:
        return (yield from _decide(conn, layout, facts, query, options))
    except MrlError as error:
        forget_facts(conn, layout)
        if (fresh := (yield from known_facts(conn, layout))) == facts:
            if not isinstance(error, (IndexNotFound, IndexMismatch)):
                raise
            renamed = yield from find_names(conn, layout, facts)
            if renamed is None:
                raise
            layout, fresh = renamed, (yield from known_facts(conn, renamed))
    return (yield from _decide(conn, layout, fresh, query, options))


def _decide(
    conn: AnyConn,
    layout: IndexLayout,
    facts: Facts,
    query: VectorLike,
    options: SearchOptions,
) -> Exchange[SearchPlan]:
    promise = yield from read_promise(conn, layout, options)
    with cursors.writable(conn):
        return make_plan(
            layout,
            facts,
            query,
            options,
            promise=promise,
            encoding=cursors.encoding(conn),
            losses=losses(conn),
        )


def _twice(
    conn: AnyConn,
    layout: IndexLayout,
    query: VectorLike,
    options: SearchOptions,
    once: Callable[[SearchPlan, bool], Exchange[T]],
) -> Exchange[T]:
    """Carry out a plan; if its facts were stale, once more with fresh facts."""
    plan = yield from prepare(conn, layout, query, options)
    try:
        return (yield from once(plan, False))
    except Stale:
        pass
    plan = yield from prepare(conn, layout, query, options)
    return (yield from once(plan.unprepared(), True))


def _complete(
    plan: SearchPlan, answer: FoundRows, left_over: LeftOver
) -> Exchange[SearchResult]:
    """The result. If too few rows came, look for more, and scan further if there are.

    `left_over` remembers whether there are more, because a batch shares one filter.
    """
    shape = plan.shape
    found = read_found(shape, answer)
    if shape.effort.scan == "exact" and not found.hits:
        read_stamp(shape, (yield Find(plan.more_statement, {}, False)))
    if found.seen is None or not found.is_short(shape):
        return found.result(plan, cut_short=False)
    if found.seen not in left_over:
        more = yield Find(plan.more_statement, plan.more_bound(found.seen), False)
        left_over[found.seen] = read_more(shape, more)
    if left_over[found.seen] and shape.effort.scan == "single":
        plan = plan.iterative()
        answer = yield Find(plan.statement, plan.bound, plan.prepared)
        return (yield from _complete(plan, answer, left_over))
    return found.result(plan, cut_short=left_over[found.seen])
