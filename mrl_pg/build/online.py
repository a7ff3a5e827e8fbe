"""Creates an index while an application writes: no lock for longer than a moment."""

import random
import time
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, suppress
from functools import partial
from typing import NamedTuple, TypeVar

from psycopg import errors

from mrl_pg import source
from mrl_pg.build import settings
from mrl_pg.build.steps import Step
from mrl_pg.build.verify import verify
from mrl_pg.errors import BuildRunning
from mrl_pg.exchange import Exchange, Send, transaction

T = TypeVar("T")


class Carried(NamedTuple):
    """What reports name of each step, its seconds, and the recall of a new index.

    `locked` are the seconds for which nobody could read or write the table.
    """

    done: tuple[tuple[str, float], ...]
    recall: float | None
    locked: float


LOCK_TIMEOUT = "500ms"
"""How long a statement may wait for a lock, because later statements wait behind it."""

LOCK_TRIES = 60
"""How often such a statement is tried, about a second apart."""

FIRST_TIMEOUT = "50ms"
FIRST_TRIES = 20
"""The first tries are shorter, and follow each other sooner; most need no more."""

SHORT_LOCK = {"statement_timeout": "0"}
"""Limits of a transaction that needs a lock for a moment, beside that of the lock."""

NO_TIMEOUTS = {"lock_timeout": "0", "statement_timeout": "0"}
"""`lock_timeout` also ends a concurrent build that waits for an old transaction."""


def alone(what: object, table_id: int, body: Exchange[T]) -> Exchange[T]:
    """Carry out a verb while no other session builds on the table.

    Raises BuildRunning if one does, with `what` in its message. If this session dies,
    the server lets others build.
    """
    table = {"table_id": table_id}
    (row,) = yield Send(source.statement("begin_build"), table)
    if not row["locked"]:
        raise BuildRunning(
            f"{what}: server process {row['builder']} builds an index on this table "
            "now: wait until it is done, then run this again"
        )
    try:
        result = yield from body
    except GeneratorExit:
        # the caller closed the verb, so no request can be sent
        raise
    except BaseException:
        # a lost connection has let go of it already
        with suppress(errors.OperationalError):
            yield Send(source.statement("end_build"), table)
        raise
    yield Send(source.statement("end_build"), table)
    return result


def carry_out(
    steps: Iterable[Step],
    chosen: settings.Settings,
    watched: Callable[[], AbstractContextManager[None]],
    table_id: int,
    fill: Exchange[None] | None = None,
) -> Exchange[Carried]:
    """Send the statements outside any transaction.

    A statement that needs a lock gives up after FIRST_TIMEOUT, in later tries after
    LOCK_TIMEOUT, and is tried again, so that nobody waits longer than that behind it.
    `fill`, if given, is carried out instead of the statement that fills a column, which
    says nothing of its progress.
    """
    done = []
    recall: float | None = None
    locked = 0.0
    for step in steps:
        start = time.perf_counter()
        if step.how == "concurrently":
            with watched():
                yield from concurrently(step.statement, chosen)
        elif step.how == "verify":
            recall = yield from verify(step.statement)
        elif step.how in ("fill", "check"):
            given = fill if step.how == "fill" else None
            body = given or _send(step.statement)
            yield from settings.of_session({"statement_timeout": "0"}, body)
        else:
            yield from with_short_lock(partial(_send, step.statement), chosen, table_id)
        took = time.perf_counter() - start
        if step.how == "rewrite":
            locked += took
        if step.label is not None:
            done.append((step.label, took))
    return Carried(tuple(done), recall, locked)


def concurrently(statement: str, chosen: settings.Settings) -> Exchange[None]:
    """Send a statement that no transaction may hold, however long it waits."""
    yield from settings.of_session({**NO_TIMEOUTS, **chosen}, _send(statement))


def with_short_lock(
    verb: Callable[[], Exchange[T]],
    chosen: settings.Settings,
    table_id: int,
    limits: settings.Settings = SHORT_LOCK,
) -> Exchange[T]:
    """Carry out a verb in a transaction of its own; again if a lock does not come.

    Autovacuum lets go of a table only when somebody has waited for longer than that. So
    later tries first wait for a lock that keeps nobody else from reading and writing.
    """
    tries = 0
    while True:
        tries += 1
        early = tries <= FIRST_TRIES
        lasts = FIRST_TIMEOUT if early else LOCK_TIMEOUT
        limited = {**chosen, **limits, "lock_timeout": lasts}
        body = settings.until_commit(limited, verb())
        try:
            return (
                yield from transaction(
                    body if tries == 1 else _outlast_vacuum(table_id, body)
                )
            )
        except errors.LockNotAvailable:
            if tries == FIRST_TRIES + LOCK_TRIES:
                raise
        # not all at the same moment, if several wait
        seconds = random.uniform(0.1, 0.4) if early else random.uniform(0.5, 1.5)
        yield Send(source.statement("sleep"), {"seconds": seconds})


def _outlast_vacuum(table_id: int, body: Exchange[T]) -> Exchange[T]:
    """Keep autovacuum from the table, and carry out the rest of a transaction."""
    (row,) = yield Send(source.statement("outlast_vacuum"), {"table_id": table_id})
    if row["statement"]:
        yield Send(row["statement"])
    return (yield from body)


def _send(statement: str) -> Exchange[None]:
    yield Send(statement)
