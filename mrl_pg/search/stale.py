"""Tells errors that a second try may fix from errors that the caller must see."""

from collections.abc import Iterator
from contextlib import contextmanager
from weakref import WeakKeyDictionary

from psycopg import errors, pq

from mrl_pg.catalog.read import forget_facts
from mrl_pg.errors import MrlError, TableError
from mrl_pg.exchange import AnyConn, is_gone
from mrl_pg.search.filter import about_filter, refusal, written_out
from mrl_pg.search.plan import SearchPlan
from mrl_pg.search.shape import Shape

MOVED = (
    errors.AmbiguousFunction,
    errors.DatatypeMismatch,
    errors.FeatureNotSupported,
    errors.InvalidSchemaName,
    errors.UndefinedColumn,
    errors.UndefinedFunction,
    errors.UndefinedObject,
    errors.UndefinedTable,
    errors.DataException,
)
"""Errors of the server that a changed table may cause, beside those of `is_gone`."""

LOST = (
    errors.DuplicatePreparedStatement,
    errors.FeatureNotSupported,
    errors.InvalidSqlStatementName,
)
"""Errors of the server for a prepared statement that it lost or cannot run.

After a `discard all` that psycopg did not see, or through a pooler, the server may also
have another statement of that name.
"""

_losses: WeakKeyDictionary[AnyConn, int] = WeakKeyDictionary()


class Stale(Exception):
    """The table differs from its facts; read them again, and the search may work."""


def losses(conn: AnyConn) -> int:
    """How many prepared statements the server has lost on this connection."""
    return _losses.get(conn, 0)


def check_stamp(shape: Shape, stamp: int) -> None:
    """Raise Stale if the table is not, or no longer, as the facts say."""
    if stamp != shape.stamp:
        raise Stale


@contextmanager
def explained(conn: AnyConn, plan: SearchPlan, *, last: bool) -> Iterator[None]:
    """Drop the cached facts after an error; raise filter errors as InvalidFilter.

    Raises Stale for an error that another try may fix, but not inside a transaction,
    because the error has ended it, and not after the `last` try.
    """
    shape = plan.shape
    try:
        yield
    except Stale:
        forget_facts(conn, shape.layout)
        if last:
            raise TableError(
                f"{shape.layout}: the table, or the search path, changes while the "
                "search runs: search again, or give schema="
            ) from None
        raise
    except errors.Error as error:
        forget_facts(conn, shape.layout)
        if isinstance(error, LOST) and plan.prepared:
            _losses[conn] = losses(conn) + 1
        idle = conn.info.transaction_status == pq.TransactionStatus.IDLE
        if (isinstance(error, (*MOVED, *LOST)) or is_gone(error)) and idle and not last:
            raise Stale from error
        # shards take no filter that looks into rows of other shards
        unspreadable = shape.is_spread and isinstance(error, errors.FeatureNotSupported)
        if shape.filter is None or not (unspreadable or about_filter(error)):
            raise
        raise refusal(shape.filter, shape.facts.where, error) from error
    except MrlError:
        raise
    except Exception:
        # raises InvalidFilter if a value of the filter cannot be written as SQL
        written_out(conn, shape.filter, plan.values, shape.facts)
        raise
