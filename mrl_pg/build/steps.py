"""Carries out the statements of a build, which the database decides on."""

import time
from collections.abc import Iterable
from dataclasses import dataclass

from psycopg import sql

from mrl_pg.catalog import slots
from mrl_pg.catalog.facts import Facts
from mrl_pg.exchange import Exchange, Script, Send, look


@dataclass(frozen=True, slots=True)
class Step:
    """A statement, and what reports call it; None: reports leave it out."""

    label: str | None
    statement: str
    kept_as: str | None = None
    why: str | None = None
    how: str | None = None


def read_steps(query: sql.Composed) -> Exchange[list[Step]]:
    """The steps that a query answers: a name and a statement in each row."""
    rows = yield from look(query)
    return [
        Step(
            row["step"],
            row["statement"],
            row.get("kept_as"),
            row.get("why"),
            row.get("how"),
        )
        for row in rows
    ]


def changes(steps: Iterable[Step]) -> bool:
    """Whether the steps change the table or its indexes."""
    return any(step.label is not None for step in steps)


def carry_out(steps: Iterable[Step]) -> Exchange[tuple[tuple[str, float], ...]]:
    """Send the statements; answers what reports name, and the seconds each took."""
    done = []
    for step in steps:
        start = time.perf_counter()
        yield Send(step.statement)
        if step.label is not None:
            done.append((step.label, time.perf_counter() - start))
    return tuple(done)


def carry_out_at_once(steps: Iterable[Step]) -> Exchange[tuple[tuple[str, float], ...]]:
    """The same in one message, so that locks are not held while others are sent.

    The first step that reports name stands for the seconds of all.
    """
    steps = tuple(steps)
    start = time.perf_counter()
    if steps:
        yield Script(";\n".join(step.statement for step in steps))
    took = time.perf_counter() - start
    labels = [step.label for step in steps if step.label is not None]
    return tuple((label, 0 if at else took) for at, label in enumerate(labels))


def lock(facts: Facts) -> Exchange[None]:
    """Keep everybody else from the table until the transaction ends."""
    yield Send(slots.template("lock_table", table=slots.table_of(facts)))
