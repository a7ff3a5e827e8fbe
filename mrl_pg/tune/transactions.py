"""How `tune` uses a session: each statement is a transaction, settings are put back."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from psycopg import pq

from mrl_pg import source
from mrl_pg.errors import InvalidSetting
from mrl_pg.exchange import Conn, cursors

READ = source.statement("setting").encode()
SET = source.statement("set_session").encode()


@contextmanager
def short_transactions(conn: Conn) -> Iterator[None]:
    """Make every statement in a block of code a transaction by itself.

    Raises InvalidSetting if the connection is in a transaction already.
    """
    if conn.info.transaction_status != pq.TransactionStatus.IDLE:
        raise InvalidSetting(
            "the connection is in a transaction. Commit it or roll it back first, "
            "because tune reads rows in short transactions of its own, so that no lock "
            "and no snapshot is held for long"
        )
    before = conn.autocommit
    conn.autocommit = True
    try:
        yield
    finally:
        if not conn.closed:
            conn.autocommit = before


@contextmanager
def session_settings(
    conn: Conn, settings: "Mapping[str, str | None]", others: Sequence[str] = ()
) -> Iterator[None]:
    """Change settings of the session for a block of code, and put them back.

    `others` are settings that the block changes itself.
    """
    before = {name: _value(conn, name) for name in (*settings, *others)}
    try:
        for name, value in settings.items():
            set_session(conn, name, value)
        yield
    finally:
        if not conn.closed:
            for name, value in before.items():
                set_session(conn, name, value)


def set_session(conn: Conn, name: str, value: str | None) -> None:
    """Change a setting of the session; None is its value when the session began."""
    cursors.tuples(conn).execute(SET, {"name": name, "value": value})


def _value(conn: Conn, name: str) -> str | None:
    row = cursors.tuples(conn).execute(READ, {"name": name}).fetchone()
    value: str | None = row[0] if row else None
    return value
