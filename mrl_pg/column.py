"""A full column as one value, with the searches by whichever index is in use."""

from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

from mrl_pg.build.part_methods import PartMethods
from mrl_pg.build.remodel import RemodelStatus, remodel_status
from mrl_pg.build.rotated_rows import stop_rotating
from mrl_pg.build.set_rotation import rotation_of, set_rotation
from mrl_pg.build.switch_column import SwitchReport, switch_column
from mrl_pg.build.tenant_methods import TenantMethods
from mrl_pg.calibration.probe_curve import ProbeCurve, probe_curve
from mrl_pg.calibration.tenant_methods import MeasuredTenants
from mrl_pg.catalog.in_use import forget_index_in_use, index_in_use
from mrl_pg.exchange import AnyConn, AsyncConn, Conn, Exchange, run, run_async
from mrl_pg.exchange.progress import OnProgress
from mrl_pg.index import MatryoshkaIndex
from mrl_pg.layout import ColumnLayout, IndexLayout
from mrl_pg.load.rotate import SAMPLE, RotateReport, fit_rotation, rotate
from mrl_pg.rotation import Rotation
from mrl_pg.rows.methods import RowMethods
from mrl_pg.search.by_column import (
    Queries,
    Query,
    find_in_use,
    find_many_in_use,
    plan_in_use,
)
from mrl_pg.search.methods import SearchMethods
from mrl_pg.search.options import SearchKeywords, options_of
from mrl_pg.search.plan import SearchPlan
from mrl_pg.search.result import SearchResult
from mrl_pg.vectors import VectorsLike

if TYPE_CHECKING:
    # in `typing` itself from Python 3.11 on
    from typing_extensions import Unpack


@dataclass(frozen=True, slots=True)
class MatryoshkaColumn(
    SearchMethods, RowMethods, TenantMethods, MeasuredTenants, PartMethods, ColumnLayout
):
    """A full column to search, by whichever of its indexes is in use.

    >>> docs = MatryoshkaColumn("docs", "embedding")

    For code that only searches: another size or kind needs no change here, because
    each search uses the index that is in use at that moment. That is the oldest, until
    `MatryoshkaIndex.switch` or `mrl.switch_index` chooses another. The result's
    `index_name` says which. The distance is that of the index.

    While the model changes, give one query for each column that may be in use, and
    the search takes that of the column in use: `docs.search(conn, {"embedding": old,
    "embedding_v2": new})`. Which that is, `switch` says.

    Raises IndexNotFound if the column has no short column, and NotInstalled without
    the `mrl` schema.
    """

    def index(self, conn: Conn) -> MatryoshkaIndex:
        """The index that is in use now, to calibrate, measure or resize it."""
        return run(conn, _in_use(conn, self))

    async def index_async(self, conn: AsyncConn) -> MatryoshkaIndex:
        """The same as `index` on an asynchronous connection."""
        return await run_async(conn, _in_use(conn, self))

    def search(
        self, conn: Conn, query: Query, **options: "Unpack[SearchKeywords]"
    ) -> SearchResult:
        """The k rows nearest to a query, by full vectors, found in two passes.

        `query` may be a mapping of columns to queries; then each call asks the server
        which column is in use, and raises InvalidVector if it has no query for that.
        All else is as in `MatryoshkaIndex.search`.
        """
        return run(conn, find_in_use(conn, self, query, options_of(options)))

    async def search_async(
        self, conn: AsyncConn, query: Query, **options: "Unpack[SearchKeywords]"
    ) -> SearchResult:
        """The same as `search` on an asynchronous connection."""
        return await run_async(
            conn, find_in_use(conn, self, query, options_of(options))
        )

    def search_many(
        self, conn: Conn, queries: Queries, **options: "Unpack[SearchKeywords]"
    ) -> list[SearchResult]:
        """The result of `search` for each query, with one round trip for all.

        `queries` may be a mapping of columns to queries, as many for each column. The
        server is asked once which column is in use.
        """
        return run(conn, find_many_in_use(conn, self, queries, options_of(options)))

    async def search_many_async(
        self, conn: AsyncConn, queries: Queries, **options: "Unpack[SearchKeywords]"
    ) -> list[SearchResult]:
        """The same as `search_many` on an asynchronous connection."""
        return await run_async(
            conn, find_many_in_use(conn, self, queries, options_of(options))
        )

    def plan(
        self, conn: Conn, query: Query, **options: "Unpack[SearchKeywords]"
    ) -> SearchPlan:
        """What `search` with these options would send, to run or explain."""
        return run(conn, plan_in_use(conn, self, query, options_of(options)))

    async def plan_async(
        self, conn: AsyncConn, query: Query, **options: "Unpack[SearchKeywords]"
    ) -> SearchPlan:
        """The same as `plan` on an asynchronous connection."""
        return await run_async(
            conn, plan_in_use(conn, self, query, options_of(options))
        )

    def switch(
        self, conn: Conn, to: str, *, allow_missing: bool = False
    ) -> SwitchReport:
        """Make column `to` the one in use in place of this one.

        Searches with a query for each column take it from their next call on, or from
        the end of your transaction on. To go back, switch from `to` to this column.

        After the switch it waits up to 10 seconds for transactions that wrote to the
        table before, and counts the rows that have no vector in `to`: the report's
        `missing`. In a transaction of yours it does not, and `missing` is None.

        Only the table's owner may. Raises TableError while rows that have a vector in
        this column have none in `to`, unless `allow_missing`, and IndexNotFound if
        `to` has no usable short index.
        """
        return run(conn, switch_column(conn, self, to, allow_missing))

    async def switch_async(
        self, conn: AsyncConn, to: str, *, allow_missing: bool = False
    ) -> SwitchReport:
        """The same as `switch` on an asynchronous connection."""
        return await run_async(conn, switch_column(conn, self, to, allow_missing))

    def rotation(self, conn: Conn) -> Rotation | None:
        """The rotation of the rows of this column; None if they are not rotated.

        Queries and rows that you give to mrl_pg are those of the model: it rotates them
        itself. Raises NotInstalled without the `mrl` schema.
        """
        return run(conn, rotation_of(self))

    async def rotation_async(self, conn: AsyncConn) -> Rotation | None:
        """The same as `rotation` on an asynchronous connection."""
        return await run_async(conn, rotation_of(self))

    def set_rotation(
        self, conn: Conn, rotation: Rotation | None, *, already: bool = False
    ) -> None:
        """Say that rows of this column are rotated; None: that they are not.

        Changes no vector. Searches rotate their queries from now on, and `upsert` and
        `load` their rows. Only the owner of the table may. Raises TableError while the
        column has vectors, unless `already` says that these are rotated (or rotated
        back), and while it has short indexes, which sessions search already. Raises
        InvalidSetting if the rotation is for vectors of another length, and
        NotInstalled.
        """
        return run(conn, set_rotation(self, rotation, already))

    async def set_rotation_async(
        self, conn: AsyncConn, rotation: Rotation | None, *, already: bool = False
    ) -> None:
        """The same as `set_rotation` on an asynchronous connection."""
        return await run_async(conn, set_rotation(self, rotation, already))

    def fit_rotation(self, conn: Conn, *, sample: int = SAMPLE) -> Rotation:
        """A rotation fitted on `sample` random rows of this column; changes nothing.

        `Rotation.save` writes it to a file. Raises TableError if no row has a vector.
        """
        return run(conn, fit_rotation(self, sample))

    async def fit_rotation_async(
        self, conn: AsyncConn, *, sample: int = SAMPLE
    ) -> Rotation:
        """The same as `fit_rotation` on an asynchronous connection."""
        return await run_async(conn, fit_rotation(self, sample))

    def rotate(
        self,
        conn: Conn,
        to: str,
        *,
        rotation: Rotation | None = None,
        undo: bool = False,
        sample: int = SAMPLE,
        progress: OnProgress | None = None,
    ) -> RotateReport:
        """Fill column `to` of the same table with the rotated vectors of this column.

        The rotation is `rotation`, or that of column `to` if a run before this one kept
        one, else one fitted on `sample` random rows. With `undo`, this column is
        rotated, and `to` gets the vectors of the model.

        Adds the column if it is missing, and keeps its rotation. Then fills rows that
        have no vector in it, in batches of about 50 ms that each commit, while others
        read and write, so `conn` must be in no transaction. If interrupted, call it
        again. This column, its indexes and what searches use stay as they are: create
        an index of `to`, then `switch`.

        From now on triggers rotate what is written to this column into `to`, unless
        the same statement writes `to` as well: until `stop_rotating`, and after the
        switch, too. So no row is missed, and none keeps the vector of an older text.
        (A table that has child tables by inheritance gets no trigger: there, give
        `upsert` the vector of the model for both.)

        Raises RotationMismatch if `to` has another rotation, TableError, InvalidSetting
        and NotInstalled.
        """
        return run(
            conn,
            rotate(
                conn,
                self,
                to,
                rotation=rotation,
                undo=undo,
                sample=sample,
                progress=progress,
            ),
        )

    async def rotate_async(
        self,
        conn: AsyncConn,
        to: str,
        *,
        rotation: Rotation | None = None,
        undo: bool = False,
        sample: int = SAMPLE,
        progress: OnProgress | None = None,
    ) -> RotateReport:
        """The same as `rotate` on an asynchronous connection."""
        return await run_async(
            conn,
            rotate(
                conn,
                self,
                to,
                rotation=rotation,
                undo=undo,
                sample=sample,
                progress=progress,
            ),
        )

    def stop_rotating(self, conn: Conn, to: str) -> None:
        """Drop the triggers by which `rotate` has the server fill column `to`.

        Call it when nothing writes this column any more, before you drop it. Only the
        owner of the table may. Raises TableError if there are no such triggers.
        """
        return run(conn, stop_rotating(self, to))

    async def stop_rotating_async(self, conn: AsyncConn, to: str) -> None:
        """The same as `stop_rotating` on an asynchronous connection."""
        return await run_async(conn, stop_rotating(self, to))

    def probe_curve(
        self,
        conn: Conn,
        *,
        probes: Iterable[int] | None = None,
        k: int = 10,
        candidates: int | None = None,
        ef_search: int | None = None,
        sample: int = 50,
        queries: "VectorsLike | None" = None,
        progress: OnProgress | None = None,
    ) -> ProbeCurve:
        """Measure what searches of few and many parts find, to choose `probes`.

        `probes`: 1, 2, 4, … unless you give others, and all parts. `queries`, or
        `sample` random rows, each left out of its own answer. Each query is searched
        for exactly, which reads every row, and once for each number of probes.
        `curve.least(0.95)` is the fewest probes that found so much. Raises TableError
        if the table is not partitioned by likeness, and what `search` raises.
        """
        return run(
            conn,
            probe_curve(
                conn,
                self,
                probes=probes,
                k=k,
                candidates=candidates,
                ef_search=ef_search,
                sample=sample,
                queries=queries,
                progress=progress,
            ),
        )

    async def probe_curve_async(
        self,
        conn: AsyncConn,
        *,
        probes: Iterable[int] | None = None,
        k: int = 10,
        candidates: int | None = None,
        ef_search: int | None = None,
        sample: int = 50,
        queries: "VectorsLike | None" = None,
        progress: OnProgress | None = None,
    ) -> ProbeCurve:
        """The same as `probe_curve` on an asynchronous connection."""
        return await run_async(
            conn,
            probe_curve(
                conn,
                self,
                probes=probes,
                k=k,
                candidates=candidates,
                ef_search=ef_search,
                sample=sample,
                queries=queries,
                progress=progress,
            ),
        )

    def remodel_status(self, conn: Conn, to: str) -> RemodelStatus:
        """How far the change to column `to` of another model is, and the next step.

        Reads every row to count those without a new vector. Raises TableError if
        row-level security hides rows.
        """
        return run(conn, remodel_status(self, to))

    async def remodel_status_async(self, conn: AsyncConn, to: str) -> RemodelStatus:
        """The same as `remodel_status` on an asynchronous connection."""
        return await run_async(conn, remodel_status(self, to))


def _in_use(conn: AnyConn, column: ColumnLayout) -> Exchange[MatryoshkaIndex]:
    forget_index_in_use(conn, column)
    layout = yield from index_in_use(conn, column, exact=False)
    names = [field.name for field in fields(IndexLayout)]
    return MatryoshkaIndex(**{name: getattr(layout, name) for name in names})
