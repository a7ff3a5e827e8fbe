"""Raises IndexMismatch if a statement finds another short column than declared."""

import re
from typing import Any

from sqlalchemy import Engine, event

from mrl_pg.errors import IndexMismatch
from mrl_pg.sqlalchemy.parts import MARK

_SAID = re.compile(f'"{re.escape(MARK)}(.*: name another with short=)"', re.DOTALL)


def listen(engine: Engine | type[Engine]) -> None:
    """Have an engine, or all, raise IndexMismatch."""
    event.listen(engine, "handle_error", _handle_error)


def _handle_error(context: Any) -> IndexMismatch | None:
    """IndexMismatch for a message that the statement made; other errors stay.

    The statement uses no function of ours. It raises its message by a cast that fails.
    """
    said = _SAID.search(str(context.original_exception))
    return IndexMismatch(said[1]) if said else None
