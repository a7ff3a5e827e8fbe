"""What a load did, and the errors a server may answer it with."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from psycopg import errors

from mrl_pg.errors import InvalidFile, InvalidSetting


@dataclass(frozen=True, slots=True)
class LoadReport:
    """Rows now in the table, in one sentence when printed.

    `null_vectors` of the rows have no vector; `bytes` went over the wire; `skipped`
    are generated columns of the table that the file has too, computed by the server;
    `notes` say what was cut, left out, or understood in one of several ways.
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
            f"; left to the server, being generated: {', '.join(self.skipped)}"
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
    """Turns what the server says against a row into InvalidFile.

    `number` gives the number that a row of the COPY has in its file. Other errors of
    the driver pass through.
    """
    try:
        yield
    except errors.UniqueViolation as error:
        raise InvalidFile(
            f"{origin}: the server refused {_row(error, number)}: {explained(error)}: "
            "give each row a key of its own, one that is not in the table yet; nothing "
            "was loaded"
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
    except errors.InvalidSchemaName as error:
        raise InvalidSetting(
            f"{error.diag.message_primary}: create it first, or name another schema="
        ) from error


def explained(error: errors.Error) -> str:
    """What the server said, its detail included."""
    detail = (error.diag.message_detail or "").rstrip(".")
    return "; ".join(filter(None, (error.diag.message_primary or str(error), detail)))


# Lines of the context are of what runs within the COPY, then of the COPY itself.
def _row(error: errors.Error, number: Callable[[int], int | None]) -> str:
    for line in (error.diag.context or "").splitlines():
        found = COPY_LINE.match(line)
        row = number(int(found[1])) if found else None
        if found and row is not None:
            return f"row {row}{found[2] or ''}"
    return "a row"
