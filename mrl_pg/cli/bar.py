"""The progress bar of every command that may take long."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeAlias

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
)

from mrl_pg.exchange import progress as exchange
from mrl_pg.exchange.progress import OnProgress

Update: TypeAlias = Callable[..., Any]
"""Updates the bar's `description`, `completed`, `total`, and the fields of columns."""


def shown_by(update: Update, title: str = "") -> OnProgress:
    """A progress function that updates a bar; `title` stands before the stage."""

    def show(progress: exchange.Progress) -> None:
        update(
            description=f"{title}: {progress.stage}" if title else progress.stage,
            completed=progress.done,
            total=progress.total or None,
        )

    return show


LINE_SECONDS = 10.0
STAGE_SECONDS = 1.0
"""Off a terminal a line says how far the work is after so many seconds, or after so
many if a new stage has begun. Work that takes less says nothing."""


@contextmanager
def bar(title: str, *columns: ProgressColumn, **fields: Any) -> Iterator[Update]:
    """A bar on stderr that disappears after the block; a pipe or a file gets lines.

    `columns` stand after the bar, by default percentage and time. `fields` are their
    first values. Text is shown unchanged, never read as markup.
    """
    console = Console(stderr=True)
    with Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        *(columns or (TaskProgressColumn(), TimeElapsedColumn())),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    ) as shown:
        task = shown.add_task(title, total=None, **fields)
        said, last = title, time.monotonic()

        def update(**changes: Any) -> None:
            nonlocal said, last
            shown.update(task, **changes)
            now = shown.tasks[task]
            pause = LINE_SECONDS if now.description == said else STAGE_SECONDS
            if not console.is_terminal and time.monotonic() - last >= pause:
                share = "" if now.total is None else f" ({now.percentage:.0f} %)"
                print(f"{now.description}{share}", file=sys.stderr, flush=True)
                said, last = now.description, time.monotonic()

        yield update
