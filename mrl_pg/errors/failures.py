"""Kinds of server failures by SQLSTATE, each with an exit code and the next step.

psycopg raises OperationalError both when it cannot reach the server and when the server
ends a statement. Scripts of the shell need to tell these apart. Python code gets the
driver's own errors.
"""

import re
from dataclasses import dataclass

import psycopg

FAILED, INPUT, UNREACHABLE = 1, 2, 6
CANCELLED, RESOURCES, AGAIN, FORBIDDEN = 8, 9, 10, 11


@dataclass(frozen=True, slots=True)
class Failure:
    """A kind of failure: what happened, its exit code, and the next step."""

    what: str
    exit_code: int
    step: str


def _lasting(setting: str, value: str) -> str:
    return f"PGOPTIONS='-c {setting}={value}' for one command, or `alter role … set`"


FAILURES = {
    # connections
    "08": Failure(
        "cannot reach the server",
        UNREACHABLE,
        "is it running? see --dsn and `mrl-pg server`",
    ),
    "08006": Failure(
        "the server went away",
        UNREACHABLE,
        "the server's log says why; changes that were not committed are lost",
    ),
    "57P": Failure(
        "the server went away",
        UNREACHABLE,
        "it was stopped or restarted, or an administrator ended this connection; "
        "changes that were not committed are lost: run the command again",
    ),
    "57P03": Failure(
        "the server does not take connections now",
        UNREACHABLE,
        "it is starting, stopping or recovering: try again in a moment",
    ),
    "57P05": Failure(
        "the connection was idle for too long",
        CANCELLED,
        f"raise idle_session_timeout: {_lasting('idle_session_timeout', '0')}",
    ),
    "3D000": Failure(
        "no such database", INPUT, "name another database in --dsn, or create this one"
    ),
    "28": Failure(
        "the server refused the login",
        FORBIDDEN,
        "check user and password (--dsn, PGUSER, PGPASSWORD, ~/.pgpass) and the "
        "server's pg_hba.conf",
    ),
    # a limit passed, or somebody cancelled
    "57014": Failure(
        "cancelled",
        CANCELLED,
        "a statement_timeout passed, or somebody cancelled it. For long work: "
        f"{_lasting('statement_timeout', '0')}",
    ),
    "55P03": Failure(
        "a lock was not free in time",
        CANCELLED,
        "wait for the other transaction or end it, or wait longer: "
        f"{_lasting('lock_timeout', '0')}",
    ),
    "25P03": Failure(
        "the transaction was idle for too long",
        CANCELLED,
        "raise idle_in_transaction_session_timeout: "
        f"{_lasting('idle_in_transaction_session_timeout', '0')}",
    ),
    "25P04": Failure(
        "the transaction took too long",
        CANCELLED,
        f"raise transaction_timeout: {_lasting('transaction_timeout', '0')}",
    ),
    # a resource is used up
    "53": Failure(
        "the server is out of resources",
        RESOURCES,
        "its log says which resource; free some of it, or raise its limit",
    ),
    "53100": Failure(
        "the server's disk is full",
        RESOURCES,
        "make room on the disks that hold its data and its temporary files. An index "
        "build needs room for the whole new index while the old index is still there",
    ),
    "shm": Failure(
        "the server's shared memory (/dev/shm) is full",
        RESOURCES,
        "a parallel build puts maintenance_work_mem there: use fewer workers "
        "(`mrl-pg create --workers 0`, max_parallel_maintenance_workers), less memory "
        "(--maintenance-work-mem), or give the container more shared memory "
        "(docker run --shm-size=1g)",
    ),
    "53200": Failure(
        "the server is out of memory",
        RESOURCES,
        "use less memory for the build (`mrl-pg create --maintenance-work-mem`), "
        "fewer workers (--workers, max_parallel_maintenance_workers), or give the "
        "server more memory",
    ),
    "53300": Failure(
        "the server has no connection left",
        RESOURCES,
        "close some connections, use a pooler, or raise max_connections or the "
        "role's connection limit",
    ),
    "53400": Failure(
        "a limit of the server's configuration is reached",
        RESOURCES,
        "raise the limit that the message names, such as temp_file_limit",
    ),
    # the same command may succeed in a moment
    "40": Failure(
        "the server undid this transaction because of another transaction",
        AGAIN,
        "nothing was changed: run the command again",
    ),
    "40P01": Failure(
        "the server ended a deadlock with another transaction",
        AGAIN,
        "nothing was changed: run the command again when the other transaction ends",
    ),
    # not allowed
    "42501": Failure(
        "not allowed",
        FORBIDDEN,
        "connect as the owner of the table or as a role that was granted this right",
    ),
    "25006": Failure(
        "the transaction is read-only",
        FORBIDDEN,
        "a standby accepts no changes: connect to the primary. Otherwise: "
        f"{_lasting('default_transaction_read_only', 'off')}",
    ),
}
"""By SQLSTATE, or by its first three or two characters; `shm` is a name of our own."""

_REFUSALS = {
    "53300": "too many connections|too many clients|connection slots",
    "3D000": r'database ".*" does not exist',
    "28000": "authentication failed|no password supplied|no pg_hba.conf entry|"
    r'role ".*" does not exist|not permitted to log in|permission denied for database',
    "57P03": "is starting up|is shutting down|not accepting connections|recovery mode",
    "08001": "connection failed|connection attempts failed|connection timeout|"
    r"connection to server|could not translate|resolve|\[Errno ",
}
"""SQLSTATEs by libpq's words for a failed connection, which has no SQLSTATE."""


def failure_of(error: psycopg.Error) -> Failure | None:
    """The kind of failure behind an error; None if the statement is at fault."""
    state = error.sqlstate or _state_of(error)
    # the name of a shared memory segment is the same in all languages
    if state == "53100" and re.search(r'"/PostgreSQL\.\d+"', str(error)):
        state = "shm"
    return FAILURES.get(state) or FAILURES.get(state[:3]) or FAILURES.get(state[:2])


def said(error: psycopg.Error) -> str:
    """What the server says, with detail and hint, in one line."""
    diagnostic = error.diag
    parts = (
        diagnostic.message_primary,
        diagnostic.message_detail,
        diagnostic.message_hint,
    )
    return "; ".join(part for part in parts if part) or " ".join(str(error).split())


def _state_of(error: psycopg.Error) -> str:
    """The SQLSTATE of an error without one, which is a failed or lost connection."""
    if not isinstance(error, psycopg.OperationalError):
        return ""
    message = str(error)
    states = [state for state, words in _REFUSALS.items() if re.search(words, message)]
    return states[0] if states else "08006"
