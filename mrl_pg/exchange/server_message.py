"""What the server said in an error, whichever driver raised the error."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class ServerMessage:
    """SQLSTATE, message and hint of an error; empty where there is none."""

    sqlstate: str
    message: str
    hint: str

    def __str__(self) -> str:
        """The message and the hint, as one text."""
        return "; ".join(filter(None, (self.message, self.hint)))


def server_message(error: BaseException) -> ServerMessage:
    """What the server said; of an error that is not the server's, its text alone.

    Reads errors of psycopg, those of SQLAlchemy around psycopg's or asyncpg's, and so
    knows none of their classes.
    """
    # SQLAlchemy keeps the driver's error there
    raised: Any = getattr(error, "orig", None) or error
    sqlstate = getattr(raised, "sqlstate", None) or ""
    if hasattr(raised, "diag"):
        said, hint = raised.diag.message_primary, raised.diag.message_hint
    else:
        # SQLAlchemy puts an error of its own before asyncpg's
        said = getattr(raised.__cause__, "message", None)
        hint = getattr(raised.__cause__, "hint", None)
    return ServerMessage(sqlstate, said or str(raised), hint or "")
