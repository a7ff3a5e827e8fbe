"""The methods of a column by whose likeness its table is partitioned."""

from mrl_pg.build.parts import (
    PART_COLUMN,
    PARTS,
    SAMPLE,
    PartsReport,
    PartState,
    make_parts,
    read_parts,
    route_rows,
    set_parts,
)
from mrl_pg.exchange import AsyncConn, Conn, run, run_async
from mrl_pg.exchange.progress import OnProgress
from mrl_pg.kinds import Distance
from mrl_pg.layout import ColumnLayout
from mrl_pg.vectors import VectorsLike


class PartMethods(ColumnLayout):
    """Partitioning a table by the likeness of its vectors."""

    __slots__ = ()

    def make_parts(
        self,
        conn: Conn,
        to: str,
        *,
        parts: int = PARTS,
        centres: "VectorsLike | None" = None,
        sample: int = SAMPLE,
        part_column: str = PART_COLUMN,
        distance: Distance | None = None,
        progress: OnProgress | None = None,
    ) -> PartsReport:
        """Copy the table into a new table `to`, partitioned by likeness.

        The centres of the `parts` are found by k-means on `sample` random rows, which
        needs scikit-learn (`mrl_pg[parts]`), or are `centres`, shape (parts, dims). The
        copy has one more column, `part_column`, which is the partition key and so part
        of the primary key. `distance` is that of the index in use, else cosine.

        All of it is one transaction. This table stays as it is, and rows that others
        write to it meanwhile are not copied. The copy has no index but its primary key,
        and no trigger, policy, right or foreign key: build its index with `create`.

        Raises InvalidSetting, TableError if there is such a table, or no row with a
        vector, InvalidVector, and NotInstalled.
        """
        return run(
            conn,
            make_parts(
                conn,
                self,
                to,
                parts=parts,
                centres=centres,
                sample=sample,
                part_column=part_column,
                distance=distance,
                progress=progress,
            ),
        )

    async def make_parts_async(
        self,
        conn: AsyncConn,
        to: str,
        *,
        parts: int = PARTS,
        centres: "VectorsLike | None" = None,
        sample: int = SAMPLE,
        part_column: str = PART_COLUMN,
        distance: Distance | None = None,
        progress: OnProgress | None = None,
    ) -> PartsReport:
        """The same as `make_parts` on an asynchronous connection."""
        return await run_async(
            conn,
            make_parts(
                conn,
                self,
                to,
                parts=parts,
                centres=centres,
                sample=sample,
                part_column=part_column,
                distance=distance,
                progress=progress,
            ),
        )

    def set_parts(
        self,
        conn: Conn,
        centres: "VectorsLike | None",
        *,
        part_column: str = PART_COLUMN,
        distance: Distance | None = None,
    ) -> None:
        """Say that partition n of this table holds the rows nearest to centre n.

        For a table that you partitioned yourself, by list of `part_column`, an integer:
        partitions 1 to len(centres), and 0 for rows whose part nobody computed. Moves
        no row: `route_rows` does. None takes it back, and moves no row either.

        Only the table's owner may. Raises TableError if the table is not so
        partitioned, InvalidSetting, InvalidVector and NotInstalled.
        """
        return run(conn, set_parts(self, centres, part_column, distance))

    async def set_parts_async(
        self,
        conn: AsyncConn,
        centres: "VectorsLike | None",
        *,
        part_column: str = PART_COLUMN,
        distance: Distance | None = None,
    ) -> None:
        """The same as `set_parts` on an asynchronous connection."""
        return await run_async(conn, set_parts(self, centres, part_column, distance))

    def parts(self, conn: Conn, *, sample: int = 0) -> list[PartState]:
        """The partitions of this table, in order, with their rows and bytes.

        With a `sample`, so many random rows are compared with the centres, which reads
        the whole table. Raises TableError if the table is not partitioned by likeness.
        """
        return run(conn, read_parts(self, sample))

    async def parts_async(self, conn: AsyncConn, *, sample: int = 0) -> list[PartState]:
        """The same as `parts` on an asynchronous connection."""
        return await run_async(conn, read_parts(self, sample))

    def route_rows(self, conn: Conn, *, progress: OnProgress | None = None) -> int:
        """Move each row to the part that its vector says; how many were moved.

        One statement for each part, which reads its rows. A row that others change
        meanwhile is left to the next call. Raises TableError if the table is not
        partitioned by likeness.
        """
        return run(conn, route_rows(self, progress))

    async def route_rows_async(
        self, conn: AsyncConn, *, progress: OnProgress | None = None
    ) -> int:
        """The same as `route_rows` on an asynchronous connection."""
        return await run_async(conn, route_rows(self, progress))
