"""Requests to a server and its answers, whichever driver sends them.

A verb is a generator: it decides, yields a request, and is handed the answer. What the
server or the driver raises is thrown into it at that place, so `with` and `try` work
as they do around a call. `run` and `run_async` carry a verb out on a psycopg
connection; `mrl_pg.sqlalchemy.driver` does so on a connection of SQLAlchemy.
"""

from mrl_pg.exchange.connections import AnyConn, AsyncConn, Conn, commits_each
from mrl_pg.exchange.drivers import carry_out, run, run_async
from mrl_pg.exchange.look import is_gone, look
from mrl_pg.exchange.requests import (
    BeginTransaction,
    Call,
    EndTransaction,
    Exchange,
    Find,
    FindMany,
    FoundRows,
    Request,
    Row,
    Script,
    Send,
    transaction,
    undone,
)

__all__ = [
    "AnyConn",
    "AsyncConn",
    "BeginTransaction",
    "Call",
    "Conn",
    "EndTransaction",
    "Exchange",
    "Find",
    "FindMany",
    "FoundRows",
    "Request",
    "Row",
    "Script",
    "Send",
    "carry_out",
    "commits_each",
    "is_gone",
    "look",
    "run",
    "run_async",
    "transaction",
    "undone",
]
