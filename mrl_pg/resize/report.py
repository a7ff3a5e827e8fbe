"""What a `resize` built, measured and switched."""

from dataclasses import dataclass

from mrl_pg.build.report import BuildReport
from mrl_pg.calibration.calibrate import Calibration
from mrl_pg.layout import IndexLayout

TARGETS = (0.9, 0.95, 0.99)
"""Recalls for which the report compares the two indexes."""


@dataclass(frozen=True, slots=True)
class ResizedIndex:
    """One of the two indexes: its size, and what was measured of it, if asked."""

    layout: IndexLayout
    index_bytes: int
    calibration: Calibration | None

    def __str__(self) -> str:
        """Size, and the cheapest search for each usual recall."""
        text = f"{self.layout}: {self.index_bytes / 1e6:,.1f} MB"
        if self.calibration is None or not self.calibration.points:
            return text
        costs = []
        for target in TARGETS:
            point = self.calibration.cheapest(target)
            cost = "not reached" if point is None else f"{point.median_ms:.2f} ms"
            costs.append(f"recall {target} {cost}")
        return f"{text}; k {self.calibration.k}: {', '.join(costs)}"


@dataclass(frozen=True, slots=True)
class ResizeReport:
    """What a `resize` did: the two indexes, and what became of them.

    `build` says how the new index was built. `real_queries` is true if the two were
    measured with stored real queries, false if with random rows. `dropped` is None
    unless the old index was dropped.
    """

    old: ResizedIndex
    new: ResizedIndex
    build: BuildReport
    real_queries: bool
    switched: bool
    dropped: BuildReport | None

    def __str__(self) -> str:
        """A line for each index, and what searches use now."""
        end = "searches that name no index use the new one now"
        if not self.switched:
            layout = self.new.layout
            end = (
                f"nothing was switched: `mrl-pg switch {layout.table} {layout.column} "
                f"--dims {layout.dims} --kind {layout.kind}`, or index.switch(conn)"
            )
        if self.dropped is not None:
            end += "; the old one was dropped"
        return f"old: {self.old}\nnew: {self.new}\n{end}"
