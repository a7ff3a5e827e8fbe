"""Runs inputs by number, watches the clock and the database, and counts outcomes."""

import signal
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType

from support.hostile import (
    by_alchemy,
    by_alembic,
    by_column,
    by_file,
    by_python,
    by_rows,
    by_shell,
    by_sql,
)
from support.hostile.draw import Draw
from support.hostile.ground import Ground
from support.hostile.inputs import Input
from support.hostile.judge import FAULTS, GOOD, Hang, check, outcome_of
from support.hostile.tables import WORLDS

SECONDS = 15
"""Limit of one input, by the clock; the server's own limit is lower."""

INTERFACES: Mapping[str, tuple[float, Callable[[Draw, str], Input]]] = {
    "Python": (40, by_python.draw),
    "SQL": (33, by_sql.draw),
    "SQLAlchemy": (11, by_alchemy.draw),
    "Alembic": (4, by_alembic.draw),
    "load": (7, by_file.draw),
    "mrl-pg": (5, by_shell.draw),
    "MatryoshkaColumn": (4, by_column.draw),
    "rows": (6, by_rows.draw),
}

USUAL_WORLDS = {
    "usual": 85.0,
    "elsewhere": 6.0,
    "ascii": 5.0,
    "uninstalled": 3.0,
    "bare": 1.0,
}


@dataclass(frozen=True, slots=True)
class Result:
    """The outcome of an input."""

    number: int
    input: Input
    outcome: str
    detail: str = ""

    @property
    def fault(self) -> bool:
        """Whether the outcome is a fault."""
        return self.outcome in FAULTS

    def __str__(self) -> str:
        """The input and its outcome, for people."""
        return (
            f"input {self.number} ({self.input.interface}, world {self.input.world}): "
            f"{self.outcome}\n{self.input.text}\n{self.detail}"
        )


@dataclass(slots=True)
class Tally:
    """How many inputs had which outcome, by interface."""

    counts: dict[str, Counter[str]] = field(default_factory=dict)
    faults: list[Result] = field(default_factory=list)

    def add(self, result: Result) -> None:
        """Count one result."""
        counter = self.counts.setdefault(result.input.interface, Counter())
        counter[result.outcome] += 1
        if result.fault:
            self.faults.append(result)

    def __str__(self) -> str:
        """A table: a line for each interface, a column for each outcome."""
        heads = (*GOOD, *FAULTS)
        total = sum(self.counts.values(), Counter[str]())
        lines: list[tuple[str, ...]] = [("interface", "inputs", *heads)]
        for name, counter in (*sorted(self.counts.items()), ("all", total)):
            figures = (str(counter[head]) for head in heads)
            lines.append((name, str(counter.total()), *figures))
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        return "\n".join(
            "  ".join(
                cell.rjust(width) for cell, width in zip(line, widths, strict=True)
            )
            for line in lines
        )


def drawn(seed: int, number: int, only: str | None = None) -> Input:
    """Input `number` of a seed; with `only`, an input of that interface."""
    draw = Draw(seed, number)
    shares = {name: share for name, (share, _) in INTERFACES.items()}
    interface = draw.weighted(shares)
    world = draw.weighted(USUAL_WORLDS)
    return INTERFACES[only or interface][1](draw, world)


def run(
    ground: Ground, seed: int, numbers: Iterable[int], only: str | None = None
) -> Iterator[Result]:
    """Run inputs one after the other."""
    for number in numbers:
        yield run_one(ground, number, drawn(seed, number, only))


def run_one(ground: Ground, number: int, given: Input) -> Result:
    """Run one input in a database without changes."""
    place = ground.place(given.world)
    outcome, detail = "answered", ""
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        try:
            with watchdog():
                answer = given.act(place)
                check(answer)
            if answer.flagged:
                outcome = "warned"
        except (Exception, Hang) as error:
            outcome = outcome_of(error, filtered=given.filtered)
            detail = said(error, whole=outcome in FAULTS)
    strange = [
        told
        for told in told
        if not told.category.__module__.startswith(("mrl_pg", "sqlalchemy"))
    ]
    if outcome in GOOD and strange:
        outcome, detail = "raw Python error", f"warning: {strange[0].message!r}"
    elif outcome == "answered" and told:
        outcome = "warned"
    outcome, detail = _afterwards(ground, given, outcome, detail)
    return Result(number, given, outcome, detail)


def _afterwards(
    ground: Ground, given: Input, outcome: str, detail: str
) -> tuple[str, str]:
    """Check the database; if it changed, the next input gets a fresh copy."""
    place = ground.place(given.world)
    changes = place.changes()
    injected = place.injected()
    if changes or injected:
        ground.forget(given.world)
    if injected:
        return "injected", detail
    kept = given.in_steps or outcome in ("answered", "warned")
    kept = kept and given.changes
    if changes and not kept and outcome in GOOD:
        return "left over", f"{detail}\n{changes}"
    return outcome, detail


def said(error: BaseException, *, whole: bool) -> str:
    """The text of an error; for a fault also where it was raised."""
    try:
        text = f"{type(error).__name__}: {error}"
    except Exception as worse:
        text = f"{type(error).__name__}, whose text raises {worse!r}"
    if whole:
        text += "\n" + "".join(traceback.format_tb(error.__traceback__, -6))
        if error.__context__ is not None:
            text += f"\nwhile handling {type(error.__context__).__name__}"
    return text[:6000]


@contextmanager
def watchdog() -> Iterator[None]:
    """Raise Hang in the block if it takes too long."""

    def bark(_: int, frame: FrameType | None) -> None:
        raise Hang(f"more than {SECONDS} s")

    before = signal.signal(signal.SIGALRM, bark)
    signal.alarm(SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


assert set(USUAL_WORLDS) == set(WORLDS)
