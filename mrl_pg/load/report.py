"""What a load did, and the errors a server may answer it with."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from psycopg import errors

from mrl_pg.errors import InvalidFile, InvalidSetting


@dataclass(frozen=True, slots=True)
class LoadReport:
    """Rows now in the table, in one sentence when printed.

    `null_vectors` of the rows have no vector; `bytes` went over the wire; `skipped`
    are generated columns of the table that the file has too, computed by the server.
    """

    table: str
    rows: int
    null_vectors: int
    dims: int
    created: bool
    seconds: float
    bytes: int
    skipped: tuple[str, ...] = ()

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
            f"{skipped}."
        )


@contextmanager
def refusals(origin: str) -> Iterator[None]:
    """Turns what the server says against a row into InvalidFile.

    Other errors of the driver pass through.
    """
    try:
        yield
    except errors.UniqueViolation as error:
        raise InvalidFile(
            f"{origin}: {_said(error)}: give each row a key of its own, one that is "
            "not in the table yet; nothing was loaded"
        ) from error
    except (
        errors.IntegrityError,
        errors.DataError,
        errors.ProgramLimitExceeded,
    ) as error:
        raise InvalidFile(
            f"{origin}: the server refused a row: {_said(error)}; nothing was loaded"
        ) from error
    except errors.InvalidSchemaName as error:
        raise InvalidSetting(
            f"{error.diag.message_primary}: create it first, or name another schema="
        ) from error


def _said(error: errors.Error) -> str:
    diag = error.diag
    parts = [diag.message_primary or str(error)]
    if diag.message_detail:
        parts.append(diag.message_detail.rstrip("."))
    if diag.context and diag.context.startswith("COPY "):
        # `line` is the row of the COPY, from 1: not a line of the file
        parts.append(diag.context.splitlines()[0].replace(", line ", ", data row "))
    return "; ".join(parts)
