"""Every error that mrl_pg raises: one base class, and a class for each remedy.

MrlError
├── InputError                what you passed is wrong; nothing was changed
│   ├── InvalidVector         wrong length, NaN, infinity, zero under cosine
│   ├── InvalidSetting        k, candidates, dims, kind, distance, names …
│   ├── InvalidFilter         a `filter` that the server cannot run
│   ├── InvalidStatement      a Select that cannot become a search
│   └── InvalidFile           a file or rows that cannot be used; names them
│       └── KeyExists         their keys are in the table already
├── TableError                the table is not what a search needs
│   ├── TableNotFound
│   ├── ColumnNotFound
│   ├── NotAVectorColumn
│   ├── NoPrimaryKey
│   ├── ModelMismatch         another model embedded the rows
│   └── SpreadTable           Citus spreads it, and this is not possible there
├── ShortIndexError           the short column or its index is not usable
│   ├── IndexNotFound         not created yet
│   ├── IndexMismatch         it exists, but is not as described
│   ├── IndexNotUsed          a search would read the table in another way
│   ├── GraphBroken           a new index misses most of the nearest short values
│   ├── RebuildRefused        creating it would build other indexes of the table again
│   └── BuildRunning          another session builds an index on the table now
├── PgvectorError             pgvector is missing or too old
│   ├── PgvectorMissing
│   └── PgvectorTooOld
├── EmbeddingError            a model gave no vectors, or unusable ones
├── NotInstalled              the schema `mrl` is missing, newer or not trusted
├── StillInUse                objects of yours use the schema `mrl`
└── ServerError               no server, or the embedded one did not start or stop
"""

from collections.abc import Sequence
from typing import Any


class MrlError(Exception):
    """Base of every error; `mrl-pg` exits with its `exit_code`."""

    exit_code = 1


class InputError(MrlError, ValueError):
    """Something the caller passed is wrong; nothing was changed."""

    exit_code = 2


class InvalidVector(InputError):
    """A vector has the wrong length, or a value for which there is no distance."""


class InvalidSetting(InputError):
    """A number, a name or an option that PostgreSQL or pgvector would refuse."""


class InvalidFilter(InputError):
    """The server cannot parse a `filter`, or its types do not fit."""


class InvalidStatement(InputError):
    """A SQLAlchemy Select cannot become a search; the message says what to write."""


class InvalidFile(InputError):
    """A file, or rows of it or of memory, cannot be used; the message names them."""


class KeyExists(InvalidFile):
    """Rows that were to be new have keys that are in the table already.

    `keys` has the first of them: all of those that were found at once. A key of several
    columns is a tuple.
    """

    def __init__(self, message: str, keys: Sequence[Any] = ()) -> None:
        """Take the message and the keys."""
        super().__init__(message)
        self.keys = tuple(keys)


class TableError(MrlError):
    """mrl_pg cannot work on this table."""

    exit_code = 3


class TableNotFound(TableError):
    """The search path has no table of that name, or it is a view."""


class ColumnNotFound(TableError):
    """The table has no such column."""


class NotAVectorColumn(TableError):
    """The full column is not `vector(n)` or `halfvec(n)`."""


class NoPrimaryKey(TableError):
    """The table has no primary key, which identifies the answers of a search."""


class ModelMismatch(TableError):
    """Another model embedded the rows of the column, so distances mean nothing."""


class RotationMismatch(TableError):
    """Another rotation turned the rows of the column, so distances mean nothing."""


class SpreadTable(TableError):
    """Citus spreads the table over machines, where this is not possible."""


class ShortIndexError(MrlError):
    """The short column or its index is missing or not as described."""

    exit_code = 4


class IndexNotFound(ShortIndexError):
    """The short column or its index has not been created yet."""


class IndexMismatch(ShortIndexError):
    """A column or an index of that name exists, but is not as described."""


class IndexNotUsed(ShortIndexError):
    """PostgreSQL would not take a vector index for the order of this search."""


class GraphBroken(ShortIndexError):
    """A new index finds too few of the nearest short values; it is not registered.

    An index that was, and that `repair` built again, still is.
    """

    exit_code = 7


class RebuildRefused(ShortIndexError):
    """A generated column would have indexes of the table built again, unasked."""


class BuildRunning(ShortIndexError):
    """Another session builds an index on the table now."""

    exit_code = 10


class PgvectorError(MrlError):
    """pgvector is not usable in this database."""

    exit_code = 5


class PgvectorMissing(PgvectorError):
    """The extension `vector` is not installed in this database."""


class PgvectorTooOld(PgvectorError):
    """pgvector is older than 0.8.0, the first version with iterative scans."""


class EmbeddingError(MrlError):
    """A model, its service or its program gave no vectors, or unusable ones."""


class NotInstalled(MrlError):
    """The schema `mrl` is missing, newer than this package, or not to be trusted."""

    exit_code = 5


class StillInUse(MrlError):
    """Objects of yours use the schema `mrl`, so it cannot be removed."""

    exit_code = 5


class ServerError(MrlError):
    """No server could be reached, or the embedded server did not start or stop."""

    exit_code = 6


class PgvectorWarning(UserWarning):
    """pgvector works, but this version has known faults (before 0.8.4)."""


class NotUnitLengthWarning(UserWarning):
    """Rows under `l2` or `ip` do not have length 1, so prefixes rank them worse."""


class SameShortValuesWarning(UserWarning):
    """Different rows have the same short value: the first pass cannot rank them."""


class UntrainedSizeWarning(UserWarning):
    """Vectors of a size at which the model was not trained may find less."""
