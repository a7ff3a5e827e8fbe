"""The plots of a result, each with a title, a caption and a text for screen readers."""

from mrl_pg.recall.curve import MOST_CANDIDATES
from mrl_pg.report import axes as draw
from mrl_pg.report import values
from mrl_pg.report.axes import Plot
from mrl_pg.report.colours import LIGHT
from mrl_pg.report.curves import needed, quality
from mrl_pg.tune import Point, Tuning

TRIED = tuple(LIGHT[name] for name in ("values", "signs", "third", "fourth"))


def plots(tuning: Tuning) -> list[Plot]:
    """The plots that the result has data for."""
    measured = _recall_by_time(tuning) if tuning.points else None
    made = [*quality(tuning), needed(tuning), measured, _sizes(tuning)]
    return [plot for plot in made if plot is not None]


def _recall_by_time(tuning: Tuning) -> Plot:
    figure, axes = draw.plain("median time of a search, ms", "recall", 4)
    best, front = values.choice(tuning), tuning.front
    for i, (name, points) in enumerate(_by_index(tuning).items()):
        short = points[0].option is not None
        axes.plot(
            [point.median_ms for point in points],
            [point.recall.mean for point in points],
            color=TRIED[i % len(TRIED)] if short else LIGHT["full"],
            marker=draw.MARKERS[i % len(draw.MARKERS)],
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
        axes.scatter(
            [best.median_ms],
            [best.recall.mean],
            s=170,
            facecolors="none",
            edgecolors=LIGHT["ink"],
            linewidths=1.8,
            zorder=5,
            label="choice",
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


def _by_index(tuning: Tuning) -> dict[str, list[Point]]:
    grouped: dict[str, list[Point]] = {}
    for point in sorted(tuning.points, key=lambda point: point.option is None):
        grouped.setdefault(point.name, []).append(point)
    return grouped


def _sizes(tuning: Tuning) -> Plot | None:
    best = values.chosen(tuning)
    bars = [
        (
            option.name,
            option.index_bytes,
            LIGHT["signs" if option.stored == "bits" else "values"],
            option.candidates is not None,
            option is best,
        )
        for option in values.shown(tuning)
    ]
    full = values.full_index(tuning)
    if full is not None:
        bars.append((*full, LIGHT["full"], True, False))
    if not bars:
        return None
    figure, axes = draw.plain("index size, MB", "", height=0.9 + 0.24 * len(bars))
    most = max(size for _, size, *_ in bars)
    for i, (_, size, colour, able, chosen) in enumerate(bars):
        axes.barh(
            i,
            size / 1e6,
            height=0.66,
            facecolor=colour if able else "none",
            edgecolor=colour,
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
        f"{tuning.goal.recall:g} needs more than {MOST_CANDIDATES} candidates.",
        "; ".join(
            f"{name} {values.megabytes(size)}"
            + (", the choice" if chosen else "")
            + ("" if able else ", misses the recall")
            for name, size, _, able, chosen in bars
        ),
        figure,
    )
