"""Carries out verbs on psycopg's connections, synchronous and asynchronous."""

import asyncio
from collections.abc import Callable
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    AsyncExitStack,
    ExitStack,
    nullcontext,
)
from typing import Any, TypeVar

from psycopg import AsyncConnection, Connection, Pipeline
from psycopg.adapt import AdaptersMap

from mrl_pg.exchange import cursors
from mrl_pg.exchange.arrays import Array, ArrayDumper
from mrl_pg.exchange.requests import (
    BeginTransaction,
    Call,
    Exchange,
    Find,
    FindMany,
    FoundRows,
    Request,
    Row,
    Send,
)
from mrl_pg.exchange.vectors import QueryVector, QueryVectorDumper

T = TypeVar("T")


def carry_out(verb: Exchange[T], answer: Callable[[Request], Any]) -> T:
    """Result of a verb whose requests a function answers; raises what the verb raises.

    What the function raises is thrown into the verb.
    """
    try:
        request = next(verb)
        while True:
            try:
                answered = answer(request)
            except BaseException as error:
                request = verb.throw(error)
            else:
                request = verb.send(answered)
    except StopIteration as done:
        result: T = done.value
        return result


def run(conn: Connection[Any], verb: Exchange[T]) -> T:
    """Result of a verb that a connection carries out; raises what the verb raises."""
    cursors.check(conn, waits=False)
    opened: list[AbstractContextManager[Any]] = []

    def answer(request: Request) -> Any:
        if isinstance(request, Find):
            return _find(conn, request)
        if isinstance(request, Send):
            return _send(conn, request)
        if isinstance(request, FindMany):
            return _find_many(conn, request)
        if isinstance(request, Call):
            return request.function()
        if isinstance(request, BeginTransaction):
            opened.append(conn.transaction(force_rollback=request.undone))
            return opened[-1].__enter__()
        return opened.pop().__exit__(*request.raised)

    return carry_out(verb, answer)


async def run_async(conn: AsyncConnection[Any], verb: Exchange[T]) -> T:
    """The same on an asynchronous connection."""
    cursors.check(conn, waits=True)
    opened: list[AbstractAsyncContextManager[Any]] = []
    try:
        request = next(verb)
        while True:
            answer: Any = None
            try:
                if isinstance(request, Find):
                    answer = await _find_async(conn, request)
                elif isinstance(request, Send):
                    answer = await _send_async(conn, request)
                elif isinstance(request, FindMany):
                    answer = await _find_many_async(conn, request)
                elif isinstance(request, Call):
                    answer = await asyncio.to_thread(request.function)
                elif isinstance(request, BeginTransaction):
                    opened.append(conn.transaction(force_rollback=request.undone))
                    await opened[-1].__aenter__()
                else:
                    await opened.pop().__aexit__(*request.raised)
            except BaseException as error:
                request = verb.throw(error)
            else:
                request = verb.send(answer)
    except StopIteration as done:
        result: T = done.value
        return result


def _send(conn: Connection[Any], request: Send) -> list[Row]:
    with cursors.dicts(conn) as cursor:
        _register(cursor.adapters)
        with _answered(conn):
            cursor.execute(request.statement, request.params, binary=request.binary)
        return cursor.fetchall() if cursor.description else []


async def _send_async(conn: AsyncConnection[Any], request: Send) -> list[Row]:
    async with cursors.dicts_async(conn) as cursor:
        _register(cursor.adapters)
        async with _answered_async(conn):
            await cursor.execute(
                request.statement, request.params, binary=request.binary
            )
        return await cursor.fetchall() if cursor.description else []


def _register(adapters: AdaptersMap) -> None:
    adapters.register_dumper(QueryVector, QueryVectorDumper)
    adapters.register_dumper(Array, ArrayDumper)


def _answered(conn: Connection[Any]) -> AbstractContextManager[Any]:
    """Waits for the answer when it ends, also in a pipeline of the caller."""
    return conn.pipeline() if conn.pgconn.pipeline_status else nullcontext()


def _answered_async(conn: AsyncConnection[Any]) -> AbstractAsyncContextManager[Any]:
    return conn.pipeline() if conn.pgconn.pipeline_status else nullcontext()


def _find(conn: Connection[Any], request: Find) -> FoundRows:
    with cursors.searching(conn) as cursor:
        cursor.execute(request.statement, request.params, prepare=request.prepare)
        return FoundRows(cursor.fetchall(), cursor.pgresult)


async def _find_async(conn: AsyncConnection[Any], request: Find) -> FoundRows:
    async with cursors.searching_async(conn) as cursor:
        await cursor.execute(request.statement, request.params, prepare=request.prepare)
        return FoundRows(await cursor.fetchall(), cursor.pgresult)


def _find_many(conn: Connection[Any], request: FindMany) -> list[FoundRows]:
    """Uses `executemany` only to prepare the statement, because it always prepares."""
    statement, batch = request.statement, request.batch
    with ExitStack() as stack:
        if request.prepare:
            cursor = stack.enter_context(cursors.searching(conn))
            cursor.executemany(statement, batch, returning=True)
            answers = [FoundRows(cursor.fetchall(), cursor.pgresult)]
            while cursor.nextset():
                answers.append(FoundRows(cursor.fetchall(), cursor.pgresult))
            return answers
        sent = [stack.enter_context(cursors.searching(conn)) for _ in batch]
        with conn.pipeline() if Pipeline.is_supported() else nullcontext():
            for cursor, params in zip(sent, batch, strict=True):
                cursor.execute(statement, params, prepare=False)
        return [FoundRows(cursor.fetchall(), cursor.pgresult) for cursor in sent]


async def _find_many_async(
    conn: AsyncConnection[Any], request: FindMany
) -> list[FoundRows]:
    statement, batch = request.statement, request.batch
    async with AsyncExitStack() as stack:
        if request.prepare:
            cursor = await stack.enter_async_context(cursors.searching_async(conn))
            await cursor.executemany(statement, batch, returning=True)
            answers = [FoundRows(await cursor.fetchall(), cursor.pgresult)]
            while cursor.nextset():
                answers.append(FoundRows(await cursor.fetchall(), cursor.pgresult))
            return answers
        sent = [
            await stack.enter_async_context(cursors.searching_async(conn))
            for _ in batch
        ]
        async with conn.pipeline() if Pipeline.is_supported() else nullcontext():
            for cursor, params in zip(sent, batch, strict=True):
                await cursor.execute(statement, params, prepare=False)
        return [FoundRows(await cursor.fetchall(), cursor.pgresult) for cursor in sent]
