"""Whether a Select would use a vector index."""

from typing import Any

from sqlalchemy import ClauseElement, Connection, Executable
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import Session

from mrl_pg.arguments import shown
from mrl_pg.errors import InvalidSetting
from mrl_pg.exchange import Exchange
from mrl_pg.search.check_plan import (
    EXPLAIN,
    SMALL,
    PlanCheck,
    check_explained,
    root_of,
)
from mrl_pg.search.plan_tree import Node
from mrl_pg.sqlalchemy.driver import run


class _Explain(Executable, ClauseElement):
    """A statement, to be planned and not run."""

    inherit_cache = False

    def __init__(self, statement: Any) -> None:
        self.statement = statement


@compiles(_Explain)
def _compile(element: _Explain, compiler: Any, **options: Any) -> str:
    return EXPLAIN + str(compiler.process(element.statement, **options))


def check_plan(
    on: Connection | Session,
    statement: Executable,
    *,
    index_name: str | None = None,
    small: int = SMALL,
) -> PlanCheck:
    """Raise IndexNotUsed if a Select of yours would not use a vector index.

    `statement` is any Select, one of `search` too, or a `text` with its values bound.
    All else is as in `mrl_pg.check_plan`. On an AsyncConnection or an AsyncSession,
    call it by `run_sync`.
    """
    if isinstance(on, Session):
        connection = on.connection()
    elif isinstance(on, Connection):
        connection = on
    else:
        raise InvalidSetting(
            f"on={shown(on)} is neither a Connection nor a Session of SQLAlchemy"
        )

    def explain() -> Exchange[Node]:
        # a generator that yields nothing, because SQLAlchemy writes the parameters
        yield from ()
        return root_of(connection.execute(_Explain(statement)).scalar_one())

    return run(connection, check_explained(explain, index_name, small, "the statement"))
