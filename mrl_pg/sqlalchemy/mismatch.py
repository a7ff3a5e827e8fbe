"""Says IndexMismatch where a statement found that a short column is another one."""

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
    """The error that the statement's own words stand for; any other stays as it is.

    Without a function of ours in the database, PostgreSQL raises them by a cast that
    fails.
    """
    said = _SAID.search(str(context.original_exception))
    return IndexMismatch(said[1]) if said else None
