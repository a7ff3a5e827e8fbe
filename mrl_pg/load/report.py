"""The report of a load, and the errors with which a server refuses rows."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from psycopg import errors

from mrl_pg.errors import InvalidFile, InvalidSetting, TableError
from mrl_pg.exchange.server_message import server_message


@dataclass(frozen=True, slots=True)
class LoadReport:
    """What was loaded; printed, it is one sentence and the notes.

    `null_vectors` counts rows without a vector. `bytes` were sent to the server.
    `skipped` are columns of the file that are generated columns of the table, so that
    the server computes them. `notes` say what was cut, left out, or ambiguous.
    """

    table: str
    rows: int
    null_vectors: int
    dims: int
    created: bool
    seconds: float
    bytes: int
    skipped: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        """`Loaded 30,000 rows of 1536 dimensions into docs (new) in 0.9 s …`."""
        rate = self.rows / self.seconds if self.seconds else 0.0
        nulls = f", {self.null_vectors:,} without a vector" if self.null_vectors else ""
        skipped = (
            f"; left to the server, because generated: {', '.join(self.skipped)}"
            if self.skipped
            else ""
        )
        return (
            f"Loaded {self.rows:,} row{'' if self.rows == 1 else 's'} of {self.dims} "
            f"dimensions into {self.table}{' (new)' if self.created else ''}{nulls} in "
            f"{self.seconds:.1f} s ({rate:,.0f} rows/s, {self.bytes / 1e6:,.1f} MB)"
            f"{skipped}." + "".join(f"\n{note}" for note in self.notes)
        )


COPY_LINE = re.compile(r"COPY .*, line ([0-9]+)(, column .*)?$")


@contextmanager
def refusals(origin: str, number: Callable[[int], int | None]) -> Iterator[None]:
    """Turn a server error about a row into InvalidFile.

    `number` gives the number in the file for a line of the COPY. Other errors of the
    driver pass through.
    """
    try:
        yield
    except errors.UniqueViolation as error:
        raise InvalidFile(
            f"{origin}: the server refused {_row(error, number)}: {explained(error)}: "
            "give each row its own key that is not in the table yet; nothing was loaded"
        ) from error
    except (
        errors.IntegrityError,
        errors.DataError,
        errors.ProgramLimitExceeded,
        errors.RaiseException,
    ) as error:
        raise InvalidFile(
            f"{origin}: the server refused {_row(error, number)}: {explained(error)}; "
            "nothing was loaded"
        ) from error
    except (errors.TooManyColumns, errors.DuplicateColumn) as error:
        raise InvalidFile(
            f"{origin}: {explained(error)}: choose columns with columns= (--columns) "
            "or skip= (--skip); nothing was loaded"
        ) from error
    except errors.ObjectNotInPrerequisiteState as error:
        # a rotation for a column that is not empty
        raise TableError(f"{server_message(error)}; nothing was loaded") from error
    except errors.InvalidSchemaName as error:
        raise InvalidSetting(
            f"{error.diag.message_primary}: create it first, or name another schema="
        ) from error


def explained(error: errors.Error) -> str:
    """The server's message with its detail."""
    detail = (error.diag.message_detail or "").rstrip(".")
    return "; ".join(filter(None, (error.diag.message_primary or str(error), detail)))


# The context names code that runs within the COPY first, then the line of the COPY.
def _row(error: errors.Error, number: Callable[[int], int | None]) -> str:
    for line in (error.diag.context or "").splitlines():
        match = COPY_LINE.match(line)
        row = number(int(match[1])) if match else None
        if match and row is not None:
            return f"row {row}{match[2] or ''}"
    return "a row"
