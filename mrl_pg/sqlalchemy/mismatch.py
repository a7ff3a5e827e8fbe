"""Raises IndexMismatch if a statement finds another short column than declared."""

import re
from typing import Any

from sqlalchemy import Engine, event

from mrl_pg.errors import IndexMismatch, RotationMismatch
from mrl_pg.sqlalchemy.parts import MARK, ROTATED

_SAID = re.compile(f'"{re.escape(MARK)}(.*: name another with short=)"', re.DOTALL)
_ROTATED = re.compile(f'"{re.escape(MARK)}(.*{re.escape(ROTATED)})', re.DOTALL)


def listen(engine: Engine | type[Engine]) -> None:
    """Have an engine, or all, raise IndexMismatch."""
    event.listen(engine, "handle_error", _handle_error)


def _handle_error(context: Any) -> IndexMismatch | RotationMismatch | None:
    """The error for a message that the statement itself made; other errors stay.

    The statement uses no function of ours. It raises its message by a cast that fails.
    """
    text = str(context.original_exception)
    if rotated := _ROTATED.search(text):
        return RotationMismatch(rotated[1])
    said = _SAID.search(text)
    return IndexMismatch(said[1]) if said else None
