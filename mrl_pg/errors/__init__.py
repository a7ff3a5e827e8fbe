"""Every error mrl_pg raises: one base class, one subclass per thing a user can do.

MrlError
├── InputError                what you passed is wrong; nothing was sent
│   ├── InvalidVector         wrong length, NaN, infinity, zero under cosine
│   ├── InvalidSetting        k, candidates, dims, kind, distance, names …
│   ├── InvalidFilter         a `where` that the server cannot run
│   ├── InvalidStatement      a Select that no search can be made of
│   └── InvalidFile           a file `load` cannot take; names the rows
├── TableError                the table is not what a search needs
│   ├── TableNotFound
│   ├── ColumnNotFound
│   ├── NotAVectorColumn
│   └── NoPrimaryKey
├── ShortIndexError           the short column or its index
│   ├── IndexNotFound         not created yet
│   └── IndexMismatch         there already, but not as described
├── PgvectorError             pgvector is missing or too old
│   ├── PgvectorMissing
│   └── PgvectorTooOld
├── NotInstalled              the `mrl` schema: missing, newer, not trusted
└── ServerError               no server, or the embedded one did not start
"""


class MrlError(Exception):
    """Base of every error mrl_pg raises; `exit_code` is what the CLI exits with."""

    exit_code = 1


class InputError(MrlError, ValueError):
    """Something the caller passed is wrong; nothing was changed."""

    exit_code = 2


class InvalidVector(InputError):
    """A vector has the wrong length or a value no distance can be taken of."""


class InvalidSetting(InputError):
    """A number, name or option is outside what PostgreSQL or pgvector takes."""


class InvalidFilter(InputError):
    """The server cannot parse or type-check a `where`."""


class InvalidStatement(InputError):
    """A SQLAlchemy Select cannot be made a search; the message says what to do."""


class InvalidFile(InputError):
    """A file cannot be loaded; the message names the rows and the rule."""


class TableError(MrlError):
    """A table is not what mrl_pg can work on."""

    exit_code = 3


class TableNotFound(TableError):
    """No table of that name is visible, or it is not a table."""


class ColumnNotFound(TableError):
    """The table has no such column."""


class NotAVectorColumn(TableError):
    """The full column is not `vector(n)` or `halfvec(n)`."""


class NoPrimaryKey(TableError):
    """The table has no primary key to name an answer by."""


class ShortIndexError(MrlError):
    """The short column or its index is not as the description says."""

    exit_code = 4


class IndexNotFound(ShortIndexError):
    """The short column or its index has not been created yet."""


class IndexMismatch(ShortIndexError):
    """A column or an index of that name exists, but is another one."""


class PgvectorError(MrlError):
    """pgvector is not usable in this database."""

    exit_code = 5


class PgvectorMissing(PgvectorError):
    """The extension `vector` is not installed in this database."""


class PgvectorTooOld(PgvectorError):
    """pgvector is older than 0.8.0, which brought iterative scans."""


class NotInstalled(MrlError):
    """The database side is missing, newer than this package, or another role's."""

    exit_code = 5


class ServerError(MrlError):
    """No server could be reached, or the embedded one did not start or stop."""

    exit_code = 6


class PgvectorWarning(UserWarning):
    """pgvector works, but this version has known faults (before 0.8.4)."""


class NotUnitLengthWarning(UserWarning):
    """Under `l2` or `ip`, rows are not unit length, so a prefix ranks worse."""


class SameShortValuesWarning(UserWarning):
    """Different rows have the same short value: no first pass can tell them apart."""
