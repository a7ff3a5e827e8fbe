"""The plots of a result, each with a title, a caption and a text for screen readers."""

from itertools import pairwise

from mrl_pg.recall.curve import MOST_CANDIDATES
from mrl_pg.report import axes as draw
from mrl_pg.report import values
from mrl_pg.report.axes import Plot
from mrl_pg.report.colours import LIGHT
from mrl_pg.report.curves import needed, quality
from mrl_pg.report.marks import marks
from mrl_pg.tune import Point, Tuning


def plots(tuning: Tuning) -> list[Plot]:
    """The plots that the result has data for."""
    measured = _recall_by_time(tuning) if tuning.points else None
    made = [*quality(tuning), needed(tuning), measured, _sizes(tuning)]
    return [plot for plot in made if plot is not None]


def _recall_by_time(tuning: Tuning) -> Plot:
    figure, axes = draw.plain("median time of a search, ms", "recall", 4)
    best, front = values.choice(tuning), tuning.front
    known = marks(tuning)
    for name, points in _by_index(tuning).items():
        axes.plot(
            [point.median_ms for point in points],
            [point.recall.mean for point in points],
            color=known[name].colour,
            marker=known[name].shape,
            markersize=6,
            markeredgecolor=LIGHT["surface"],
            markeredgewidth=0.6,
            linestyle="none",
            label=name,
        )
    times = [point.median_ms for point in tuning.points]
    draw.logarithmic(axes, "x", 0.75 * min(times), 1.4 * max(times))
    axes.plot(
        [*(point.median_ms for point in front), 1.4 * max(times)],
        [*(point.recall.mean for point in front), front[-1].recall.mean],
        color=LIGHT["ink"],
        linewidth=1,
        drawstyle="steps-post",
        zorder=1.5,
        label="front",
    )
    recalls = [point.recall.mean for point in tuning.points]
    draw.recalls_up(axes, min([*recalls, tuning.goal.recall]), tuning.goal.recall)
    draw.target(axes, tuning.goal.recall)
    text = f"{len(tuning.points)} settings. "
    if best is not None:
        ends = [*map(_place, front), (1.4 * max(times), front[-1].recall.mean)]
        steps = [
            place
            for one, two in pairwise(ends)
            for place in (one, (two[0], one[1]), two)
        ]
        draw.choice(
            axes,
            f"choice: {best.name}",
            _place(best),
            known[best.name],
            [*([place] for place in map(_place, tuning.points)), steps],
        )
        text += f"The choice is {best}. "
    draw.legend(figure, 3)
    return Plot(
        "recall-time",
        "Recall against time",
        "Each mark is a measured setting of an index. Up and to the left is better. "
        "For each setting below the front, a setting on the front is better.",
        f"{text}The front: {'; '.join(str(point) for point in front)}.",
        figure,
    )


def _place(point: Point) -> draw.Place:
    return point.median_ms, point.recall.mean


def _by_index(tuning: Tuning) -> dict[str, list[Point]]:
    grouped: dict[str, list[Point]] = {name: [] for name in marks(tuning)}
    for point in tuning.points:
        grouped[point.name].append(point)
    return {name: points for name, points in grouped.items() if points}


def _sizes(tuning: Tuning) -> Plot | None:
    best = values.chosen(tuning)
    bars = [
        (
            option.name,
            option.index_bytes,
            option.candidates is not None,
            option is best,
        )
        for option in values.shown(tuning)
    ]
    full = values.full_index(tuning)
    if full is not None:
        bars.append((*full, True, False))
    if not bars:
        return None
    figure, axes = draw.plain("index size, MB", "", height=0.9 + 0.24 * len(bars))
    most = max(size for _, size, *_ in bars)
    known = marks(tuning)
    for i, (name, size, able, chosen) in enumerate(bars):
        mark = known.get(name)
        axes.barh(
            i,
            size / 1e6,
            height=0.66,
            facecolor=(mark.colour if mark else LIGHT["grid"]) if able else "none",
            edgecolor=mark.colour if mark else LIGHT["muted"],
            linewidth=1,
        )
        axes.annotate(
            values.megabytes(size) + (", choice" if chosen else ""),
            (size / 1e6, i),
            xytext=(4, 0),
            textcoords="offset points",
            va="center",
            fontsize=draw.SIZE - 1,
            fontweight="bold" if chosen else "normal",
            color=LIGHT["ink"],
        )
    axes.set_xlim(0, 1.3 * most / 1e6)
    axes.set_yticks(range(len(bars)), [name for name, *_ in bars], color=LIGHT["ink"])
    axes.invert_yaxis()
    axes.grid(visible=False, axis="y")
    axes.tick_params(axis="y", length=0)
    return Plot(
        "sizes",
        "Index sizes",
        f"Predicted for all {tuning.table.rows:,} rows. A bar is not filled if recall "
        f"{tuning.goal.recall:g} needs more than {MOST_CANDIDATES} candidates."
        + (" A pale bar was not built." if tuning.points else ""),
        "; ".join(
            f"{name} {values.megabytes(size)}"
            + (", the choice" if chosen else "")
            + ("" if able else ", misses the recall")
            for name, size, able, chosen in bars
        ),
        figure,
    )
