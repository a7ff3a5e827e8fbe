"""Makes the async version of a function that would block an event loop."""

import asyncio
import inspect
from collections.abc import Callable, Coroutine
from functools import update_wrapper
from typing import Any, Concatenate, ParamSpec, TypeAlias, TypeVar, cast

import psycopg

from mrl_pg.build.progress import conninfo
from mrl_pg.exchange import AsyncConn, Conn, cursors

P = ParamSpec("P")
R = TypeVar("R")

AsyncVersion: TypeAlias = Callable[Concatenate[AsyncConn, P], Coroutine[Any, Any, R]]


def in_thread(
    work: Callable[Concatenate[Conn, P], R],
) -> Callable[[Callable[[], None]], AsyncVersion[P, R]]:
    """Make an async version of `work` that runs it in a thread, on a second connection.

    It decorates a function that has only a name and a docstring. The async version
    takes these two from that function, and its parameters from `work`, so that type
    checkers and `help` show them.
    """

    def made(named: Callable[[], None]) -> AsyncVersion[P, R]:
        async def async_version(
            conn: AsyncConn, *args: P.args, **options: P.kwargs
        ) -> R:
            cursors.check(conn, waits=True)
            where = conninfo(conn)

            def run() -> R:
                with psycopg.connect(where, autocommit=True) as second:
                    return work(second, *args, **options)

            return await asyncio.to_thread(run)

        update_wrapper(async_version, work)
        async_version.__name__, async_version.__qualname__ = (
            named.__name__,
            named.__qualname__,
        )
        async_version.__doc__ = named.__doc__
        sign = inspect.signature(work)
        first, *rest = sign.parameters.values()
        parameters = [first.replace(annotation=AsyncConn), *rest]
        vars(async_version)["__signature__"] = sign.replace(parameters=parameters)
        # a ParamSpec cannot say that parameters may also be passed by name
        return cast("AsyncVersion[P, R]", async_version)

    return made
