"""Carries out verbs on a SQLAlchemy connection, and sends it SQL as it is.

`run` takes a `Connection`; with an `AsyncConnection` it is called by `run_sync`. It
takes a mock connection, as `create_mock_engine` makes, and Alembic's offline mode, too:
these are handed the statements as text and answer no rows.
"""

from contextlib import AbstractContextManager, nullcontext
from typing import Any, TypeVar

from psycopg import sql
from sqlalchemy import Connection, text

from mrl_pg.catalog import slots
from mrl_pg.exchange import (
    BeginTransaction,
    EndTransaction,
    Exchange,
    Request,
    Row,
    Script,
    Send,
    carry_out,
)

T = TypeVar("T")


def run(connection: Any, verb: Exchange[T]) -> T:
    """Result of a verb that the connection carries out; raises what the verb raises.

    Errors of the server are SQLAlchemy's: `server_message` reads them.
    """
    opened: list[AbstractContextManager[Any]] = []

    def answer(request: Request) -> Any:
        if isinstance(request, BeginTransaction):
            opened.append(_savepoint(connection))
            return opened[-1].__enter__()
        if isinstance(request, EndTransaction):
            return opened.pop().__exit__(*request.raised)
        if isinstance(request, Send):
            return _rows(connection, request)
        raise TypeError(f"{type(request).__name__} needs a connection of psycopg")

    return carry_out(verb, answer)


def send(connection: Any, statement: str) -> Any:
    """Run SQL as it is: neither `:name` nor `%` in it means anything."""
    if isinstance(connection, Connection):
        return connection.exec_driver_sql(
            statement, execution_options={"no_parameters": True}
        )
    if hasattr(connection, "static_output"):
        return connection.static_output(statement + ";")
    return connection.execute(text(statement.replace(":", "\\:")))


def send_script(connection: Any, script: str) -> None:
    """Run several statements that are sent as one, which is one transaction.

    asyncpg can only prepare, and PostgreSQL prepares no more than one.
    """
    if isinstance(connection, Connection) and connection.dialect.driver == "asyncpg":
        script = slots.statement("at_once", script=sql.Literal(script)).as_string()
    send(connection, script)


def _rows(connection: Any, request: Send) -> list[Row]:
    if request.params is not None:
        # each driver writes parameters in a way of its own
        raise TypeError("a statement for SQLAlchemy has its values written into it")
    statement = request.statement
    if isinstance(statement, sql.Composable):
        statement = statement.as_string()
    elif isinstance(statement, bytes):
        statement = statement.decode()
    if isinstance(request, Script):
        send_script(connection, str(statement))
        return []
    result = send(connection, str(statement))
    if not getattr(result, "returns_rows", False):
        return []
    return [dict(row) for row in result.mappings()]


def _savepoint(connection: Any) -> AbstractContextManager[Any]:
    """None where there is no transaction: a script is one transaction by itself."""
    if not isinstance(connection, Connection) or _autocommits(connection):
        return nullcontext()
    return connection.begin_nested()


def _autocommits(connection: Connection) -> bool:
    """Whether the driver begins no transactions, as under isolation_level AUTOCOMMIT.

    A Connection only knows of the level that was asked of itself, not of its engine.
    """
    return bool(getattr(connection.connection.dbapi_connection, "autocommit", False))
