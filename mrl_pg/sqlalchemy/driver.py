"""Carries out verbs on a SQLAlchemy connection, and sends it SQL as it is.

`run` takes a `Connection`; with an `AsyncConnection`, call it by `run_sync`. It also
takes a mock connection of `create_mock_engine`, and Alembic's offline mode. These get
the statements as text and return no rows.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
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

    Errors of the server are SQLAlchemy's errors, which `server_message` reads.
    """
    opened: list[AbstractContextManager[Any]] = []

    def answer(request: Request) -> Any:
        if isinstance(request, BeginTransaction):
            opened.append(
                _undone(connection) if request.undone else _savepoint(connection)
            )
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
    """Run several statements that are sent as one text, which is one transaction.

    asyncpg prepares all that it sends, and PostgreSQL prepares one statement at a time.
    """
    if isinstance(connection, Connection) and connection.dialect.driver == "asyncpg":
        script = slots.statement("at_once", script=sql.Literal(script)).as_string()
    send(connection, script)


def _rows(connection: Any, request: Send) -> list[Row]:
    if request.params is not None:
        # each driver writes parameters in its own way
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
    """A savepoint; none without a transaction, because a script itself is one."""
    if not isinstance(connection, Connection) or _autocommits(connection):
        return nullcontext()
    return connection.begin_nested()


@contextmanager
def _undone(connection: Any) -> Iterator[None]:
    """A savepoint that is rolled back; without a transaction, one that is."""
    if _autocommits(connection):
        send(connection, "begin")
        try:
            yield
        finally:
            send(connection, "rollback")
        return
    savepoint = connection.begin_nested()
    try:
        yield
    finally:
        savepoint.rollback()


def _autocommits(connection: Connection) -> bool:
    """Whether the driver begins no transactions, as under isolation_level AUTOCOMMIT.

    A Connection only knows the level that was set on itself, not on its engine.
    """
    return bool(getattr(connection.connection.dbapi_connection, "autocommit", False))
