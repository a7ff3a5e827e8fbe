"""The methods of everything that can be searched, for the rows of its table."""

from collections.abc import Iterable, Sequence
from typing import Any

from mrl_pg.exchange import AsyncConn, Conn, run, run_async
from mrl_pg.exchange.progress import OnProgress
from mrl_pg.layout import Searched
from mrl_pg.rows.delete import delete
from mrl_pg.rows.get import get
from mrl_pg.rows.given import GivenRows
from mrl_pg.rows.report import StoredRow, UpsertReport
from mrl_pg.rows.upsert import upsert
from mrl_pg.rows.upsert_job import IfExists
from mrl_pg.search.filter import Filter, Params


class RowMethods(Searched):
    """Writing, deleting and reading the rows of a table by their primary key."""

    __slots__ = ()

    def upsert(
        self,
        conn: Conn,
        rows: GivenRows,
        *,
        if_exists: IfExists = "update",
        progress: OnProgress | None = None,
    ) -> UpsertReport:
        """Insert rows, and update those whose primary key is in the table.

        `rows` are mappings of column to value, such as `{"id": 7, "title": "Jam",
        "embedding": [0.1, …]}`, or one mapping of column to values for all rows: lists,
        arrays, and a matrix of shape (rows, dims) for vectors. All rows have the same
        columns, and the key among them. None is NULL. A vector is a list, an array or
        a Vector; a dict or a list goes into a column of JSON; all types that `load`
        takes are taken.

        A row that is there keeps the columns that `rows` do not have, its vector
        included. A new row gets their defaults, so without a vector no search finds it.
        `if_exists="skip"` leaves rows alone that are there, and "refuse" raises
        KeyExists, whose `keys` are theirs.

        Everything happens in one transaction (a savepoint in yours), so that the table
        is unchanged after an error. Rows that cannot be written raise InvalidFile,
        which names them, counted from 0: a vector of another length, NaN, text with
        NUL, a row without a column that row 0 has, a key that occurs twice, or what a
        constraint, a policy or a trigger of the table refuses. Raises ColumnNotFound
        for an unknown column, and InvalidSetting.
        """
        return run(conn, upsert(conn, self, rows, if_exists, progress))

    async def upsert_async(
        self,
        conn: AsyncConn,
        rows: GivenRows,
        *,
        if_exists: IfExists = "update",
        progress: OnProgress | None = None,
    ) -> UpsertReport:
        """The same as `upsert` on an asynchronous connection."""
        return await run_async(conn, upsert(conn, self, rows, if_exists, progress))

    def delete(
        self,
        conn: Conn,
        keys: Iterable[Any] | None = None,
        *,
        filter: Filter = None,
        params: Params = None,
    ) -> int:
        """Delete the rows with these keys, or those that a filter lets through.

        `keys` are values of the primary key, tuples if it has several columns; keys
        that no row has are no error. `filter` and `params` are those of `search`;
        `filter="true"` deletes every row. Returns how many rows were deleted, in one
        transaction (a savepoint in yours).

        Raises InvalidSetting for keys that the column cannot hold, or without exactly
        one of `keys` and `filter`, and InvalidFilter.
        """
        return run(conn, delete(conn, self, keys, filter, params))

    async def delete_async(
        self,
        conn: AsyncConn,
        keys: Iterable[Any] | None = None,
        *,
        filter: Filter = None,
        params: Params = None,
    ) -> int:
        """The same as `delete` on an asynchronous connection."""
        return await run_async(conn, delete(conn, self, keys, filter, params))

    def get(
        self,
        conn: Conn,
        keys: Iterable[Any],
        *,
        columns: Sequence[str] | None = None,
    ) -> list[StoredRow | None]:
        """The rows with these keys, in the order of the keys; None where there is none.

        `keys` are values of the primary key, tuples if it has several columns.
        `columns` are the columns to read, by default all but short columns. Their
        values are what your connection makes of them, as in `search`. One statement
        reads all rows.

        Raises ColumnNotFound, and InvalidSetting for keys that the column cannot hold.
        """
        return run(conn, get(conn, self, keys, columns))

    async def get_async(
        self,
        conn: AsyncConn,
        keys: Iterable[Any],
        *,
        columns: Sequence[str] | None = None,
    ) -> list[StoredRow | None]:
        """The same as `get` on an asynchronous connection."""
        return await run_async(conn, get(conn, self, keys, columns))
