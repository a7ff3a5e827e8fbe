"""What the server said in an error, whichever driver raised the error."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class ServerMessage:
    """SQLSTATE, message, hint and detail of an error; empty where there is none.

    A detail of several lines is one line, with semicolons.
    """

    sqlstate: str
    message: str
    hint: str
    detail: str

    def __str__(self) -> str:
        """The message and the hint, as one text."""
        return "; ".join(filter(None, (self.message, self.hint)))


def server_message(error: BaseException) -> ServerMessage:
    """What the server said; for any other error, only its text.

    Reads errors of psycopg, and errors of SQLAlchemy around those of psycopg or
    asyncpg. It looks at attributes only, so that it does not import these libraries.
    """
    # the driver's error inside SQLAlchemy's
    raised: Any = getattr(error, "orig", None) or error
    sqlstate = getattr(raised, "sqlstate", None) or ""
    if hasattr(raised, "diag"):
        text, hint = raised.diag.message_primary, raised.diag.message_hint
        detail = raised.diag.message_detail
    else:
        # SQLAlchemy raises an error of its own from asyncpg's error
        text = getattr(raised.__cause__, "message", None)
        hint = getattr(raised.__cause__, "hint", None)
        detail = getattr(raised.__cause__, "detail", None)
    lines = "; ".join((detail or "").splitlines())
    return ServerMessage(sqlstate, text or str(raised), hint or "", lines)
