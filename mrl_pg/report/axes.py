"""A plot and its plain axes, with labels, units and a faint grid."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator
from numpy.typing import NDArray

from mrl_pg.report.colours import LIGHT
from mrl_pg.report.marks import Mark

Place: TypeAlias = tuple[float, float]
WIDTH, HEIGHT = 5.2, 3.5
"""Inches. Small, so that letters are readable on a phone but not larger than text."""

SIZE = 11
RECALLS = (0.0, 0.2, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.999, 1.0)
ROUND = (1, 2, 5)
MARKERS = ("o", "s", "^", "D", "v", "P")


@dataclass(frozen=True, slots=True)
class Plot:
    """A figure; `name` is the name of its file, and `caption` says how to read it."""

    name: str
    title: str
    caption: str
    alt: str
    figure: Figure


def plain(x: str, y: str, height: float = HEIGHT) -> tuple[Figure, Axes]:
    """A figure with labelled axes."""
    figure = Figure(figsize=(WIDTH, height), layout="constrained")
    figure.patch.set_facecolor(LIGHT["surface"])
    axes = figure.add_subplot()
    axes.set_facecolor(LIGHT["surface"])
    axes.set_xlabel(x, color=LIGHT["muted"], fontsize=SIZE)
    axes.set_ylabel(y, color=LIGHT["muted"], fontsize=SIZE)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("bottom", "left"):
        axes.spines[side].set_color(LIGHT["muted"])
    axes.tick_params(colors=LIGHT["muted"], labelsize=SIZE, width=0.8, length=3)
    axes.grid(color=LIGHT["grid"], linewidth=0.8)
    axes.set_axisbelow(True)
    return figure, axes


def legend(figure: Figure, columns: int) -> None:
    """Add a legend under the axes, where no line crosses it."""
    figure.legend(
        loc="outside lower center",
        ncols=columns,
        fontsize=SIZE - 1,
        labelcolor=LIGHT["ink"],
        frameon=False,
        handletextpad=0.4,
        columnspacing=1.2,
    )


def choice(
    axes: Axes, text: str, place: Place, mark: Mark, lines: Sequence[Sequence[Place]]
) -> None:
    """Draw the choice over all else, with a label where it hides the least of `lines`.

    A line of one place is a mark. Call it when the limits of the axes are set.
    """
    axes.scatter(
        *place,
        s=120,
        marker=mark.shape,
        color=mark.colour,
        edgecolors=LIGHT["ink"],
        linewidths=1.8,
        zorder=6,
        gid="choice",
    )
    to_share = axes.transData + axes.transAxes.inverted()
    at = to_share.transform(place)
    points = np.concatenate([_along(to_share.transform(line)) for line in lines])
    box, dots = axes.get_window_extent(), axes.figure.dpi / 72
    letter, row = 0.6 * SIZE * dots / box.width, 1.3 * SIZE * dots / box.height

    def hidden(spot: tuple[int, int]) -> int:
        side, rows_up = spot
        ends = sorted(at[0] + side * letter * n for n in (1, len(text) + 2))
        middle = at[1] + rows_up * row
        low, high = (ends[0], middle - 0.7 * row), (ends[1], middle + 0.7 * row)
        inside = int(((points >= low) & (points <= high)).all(axis=1).sum())
        return inside + (1000 if min(low) < 0 or max(high) > 1 else 0)

    side, rows_up = min(
        ((side, rows) for rows in (0, -1, 1, -2, 2, -3, 3) for side in (1, -1)),
        key=hidden,
    )
    axes.annotate(
        text,
        place,
        xytext=(9 * side, 1.3 * SIZE * rows_up),
        textcoords="offset points",
        ha="left" if side > 0 else "right",
        va="center",
        fontsize=SIZE - 1,
        fontweight="bold",
        color=LIGHT["ink"],
        bbox={"facecolor": LIGHT["surface"], "edgecolor": "none", "pad": 1.5},
        zorder=6,
    )


def _along(places: NDArray[np.float64]) -> NDArray[np.float64]:
    """Places on a line, close to each other, with more weight at its marks."""
    steps = np.linspace(0, len(places) - 1, 20 * len(places))
    corners = np.arange(len(places))
    line = np.stack([np.interp(steps, corners, axis) for axis in places.T], axis=1)
    return np.concatenate([line, np.repeat(places, 20, axis=0)])


def target(axes: Axes, recall: float) -> None:
    """Draw a line at the target recall, with a label beside the axes."""
    axes.axhline(recall, color=LIGHT["ink"], linewidth=1, linestyle=(0, (4, 3)))
    axes.annotate(
        f"target\n{share(recall)}",
        (1, recall),
        xycoords=("axes fraction", "data"),
        xytext=(4, 0),
        textcoords="offset points",
        va="center",
        fontsize=SIZE - 1,
        color=LIGHT["ink"],
    )


def share(recall: float) -> str:
    """A recall with as few digits as it has: `.95`, `.999`, `1`."""
    return f"{recall:g}".removeprefix("0") or "0"


def sizes_across(axes: Axes, dims: Sequence[int]) -> None:
    """Make the x axis logarithmic, with the sizes as ticks."""
    axes.set_xscale("log", base=2)
    low, high = math.log2(dims[0]), math.log2(dims[-1])
    room = 0.11 * (high - low)
    named = [dims[-1]]
    for size in reversed(dims[:-1]):
        if math.log2(named[-1]) - math.log2(size) >= room:
            named.append(size)
    _ticks(axes, "x", sorted(named), lambda size: f"{size:.0f}")


def logarithmic(axes: Axes, which: str, low: float, high: float) -> None:
    """Make an axis logarithmic, with ticks at 1, 2, 5, 10 …, as plain numbers."""
    (axes.set_xscale if which == "x" else axes.set_yscale)("log")
    (axes.set_xlim if which == "x" else axes.set_ylim)(low, high)
    tens = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    ticks = [digit * 10.0**ten for ten in tens for digit in ROUND]
    inside = [tick for tick in ticks if low <= tick <= high]
    _ticks(axes, which, inside, lambda tick: f"{tick:g}")


def share_up(axes: Axes, lowest: float) -> None:
    """Make the y axis linear, for recalls that go far down."""
    axes.set_ylim(max(0, lowest - 0.05), 1.04)
    _ticks(axes, "y", [tick / 10 for tick in range(11) if tick / 10 >= lowest], share)


def recalls_up(axes: Axes, lowest: float, goal: float) -> None:
    """Make the y axis for recalls near 1, by the logarithm of the share missed.

    A fifth of the allowed loss is added to the share missed, because otherwise recall 1
    would have no place on the axis.
    """
    nearest = (1 - goal) / 5

    def up(recall: Any) -> Any:
        missed = 1 - np.asarray(recall, dtype=np.float64)
        # the axis ends a little above 1, so that a mark at 1 is not cut
        return -np.log10(np.maximum(missed + nearest, nearest / 2))

    def back(height: Any) -> Any:
        return 1 + nearest - 10 ** -np.asarray(height, dtype=np.float64)

    axes.set_yscale("function", functions=(up, back))
    start = max((tick for tick in RECALLS if tick <= lowest), default=0.0)
    axes.set_ylim(start, 1 + nearest / 4)
    room = 0.07 * (up(1.0) - up(start))
    named = [1.0]
    for tick in reversed(RECALLS):
        if tick >= start and up(named[-1]) - up(tick) >= room:
            named.append(tick)
    _ticks(axes, "y", named[::-1], share)


def _ticks(
    axes: Axes, which: str, places: Sequence[float], name: Callable[[float], str]
) -> None:
    axis = axes.xaxis if which == "x" else axes.yaxis
    axis.set_major_locator(FixedLocator(places))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda place, _: name(place)))
