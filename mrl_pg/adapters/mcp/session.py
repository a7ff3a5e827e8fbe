"""Sessions that cannot write: a new one for each call of a tool."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from mrl_pg.errors import InvalidSetting, MrlError
from mrl_pg.errors.failures import failure_of, said
from mrl_pg.exchange import Conn

READ_ONLY, CANCELLED = "25006", "57014"


@dataclass(frozen=True, slots=True)
class ReadOnly:
    """Opens sessions whose transactions are read-only and end by a rollback.

    A session is closed after each call, so that nothing that a condition has set, such
    as a setting or an advisory lock, is there in the next. `timeout` is in seconds, for
    each statement.
    """

    conninfo: str
    timeout: float = 30.0

    def __post_init__(self) -> None:
        """Raise InvalidSetting for a timeout that would mean none."""
        if not 0.001 <= self.timeout <= 86_400:
            raise InvalidSetting(
                f"timeout={self.timeout:g}: give seconds, from 0.001 to 86400"
            )

    @contextmanager
    def transaction(self) -> Iterator[Conn]:
        """A session in a read-only transaction; raises MrlError for what fails."""
        with self._session() as conn:
            conn.read_only = True
            try:
                yield conn
            finally:
                if not conn.closed:
                    conn.rollback()

    @contextmanager
    def statements(self) -> Iterator[Conn]:
        """The same where each statement is a transaction, for code that needs that."""
        with self._session() as conn:
            conn.autocommit = True
            yield conn

    @contextmanager
    def _session(self) -> Iterator[Conn]:
        try:
            conn = psycopg.connect(self._with_settings())
            try:
                yield conn
            finally:
                conn.close()
        except psycopg.Error as error:
            raise self._explained(error) from error

    def _with_settings(self) -> str:
        given = conninfo_to_dict(self.conninfo).get("options")
        settings = {
            "default_transaction_read_only": "on",
            "statement_timeout": f"{self.timeout * 1000:.0f}",
        }
        # last, because of two values of a setting PostgreSQL takes the last
        texts = [str(given or os.environ.get("PGOPTIONS", ""))]
        texts += [f"-c {name}={value}" for name, value in settings.items()]
        return make_conninfo(
            self.conninfo,
            options=" ".join(filter(None, texts)),
            application_name="mrl-pg mcp",
        )

    def _explained(self, error: psycopg.Error) -> MrlError:
        if error.sqlstate == READ_ONLY:
            return InvalidSetting(
                f"{said(error)}: this server only reads; leave out what writes"
            )
        if error.sqlstate == CANCELLED:
            return MrlError(
                f"{said(error)}: a statement took longer than {self.timeout:g} s; ask "
                "for less, or start `mrl-pg mcp` with a larger --timeout"
            )
        failure = failure_of(error)
        text = said(error)
        return MrlError(f"{failure.what}: {text}" if failure else text)


def is_superuser(conn: Conn) -> bool:
    """Whether the role of a session may do anything, such as write files."""
    return conn.info.parameter_status("is_superuser") == "on"
