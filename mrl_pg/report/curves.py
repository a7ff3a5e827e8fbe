"""Plots of the recall that prefixes can reach, which is known before any build."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mrl_pg.kinds import Stored
from mrl_pg.recall.curve import MOST_CANDIDATES
from mrl_pg.report import axes as draw
from mrl_pg.report import values
from mrl_pg.report.axes import Plot
from mrl_pg.report.colours import LIGHT, STEPS
from mrl_pg.tune import Tuning

STORED: tuple[tuple[Stored, str, str], ...] = (
    ("floats", "values", "vector and halfvec"),
    ("bits", "signs", "bit"),
)
BEYOND = f"needs more than {MOST_CANDIDATES}, which no scan returns."
BEYOND_HEIGHT = 1.35 * MOST_CANDIDATES
"""The place on the y axis of a size that needs more than MOST_CANDIDATES."""


def quality(tuning: Tuning) -> list[Plot]:
    """Recall by dimensions, for values and for signs, on axes with the same range."""
    by_stored = {stored: values.lines(tuning, stored) for stored, *_ in STORED}
    every = [r for some in by_stored.values() for line in some for r in line.recalls]
    made = []
    for stored, name, kinds in STORED:
        lines = by_stored[stored]
        if lines[0].dims:
            figure, axes = draw.plain(
                "dimensions", "recall of exact prefix search", 3.9
            )
            _quality_lines(axes, lines)
            draw.target(axes, tuning.goal.recall)
            draw.sizes_across(axes, lines[0].dims)
            draw.share_up(axes, min([*every, tuning.goal.recall]))
            draw.legend(figure, 3)
            made.append(_quality_plot(lines, name, kinds, figure))
    return made


def _quality_lines(axes: Axes, lines: list[values.Line]) -> None:
    for i, line in enumerate(lines):
        axes.plot(
            line.dims,
            line.recalls,
            color=STEPS[i],
            marker=draw.MARKERS[i],
            markersize=5,
            linewidth=1.8,
            label=f"{line.candidates} candidates",
        )
    knees = [
        (line.dims[line.knee], line.recalls[line.knee])
        for line in lines
        if line.knee is not None
    ]
    if knees:
        across, up = zip(*knees, strict=True)
        axes.scatter(
            across,
            up,
            s=110,
            facecolors="none",
            edgecolors=LIGHT["signs"],
            linewidths=1.6,
            zorder=5,
            label="knee",
        )


def _quality_plot(
    lines: list[values.Line], name: str, kinds: str, figure: Figure
) -> Plot:
    texts = []
    for line in lines:
        text = ", ".join(
            f"{size}: {values.recall(recall)}"
            for size, recall in zip(line.dims, line.recalls, strict=True)
        )
        bend = "no knee" if line.knee is None else f"knee at {line.dims[line.knee]}"
        texts.append(f"With {line.candidates} candidates {text}; {bend}.")
    ring = " The ring marks the knee, after which more dimensions bring less."
    bends = any(line.knee is not None for line in lines)
    return Plot(
        f"quality-{name}",
        f"Quality against dimensions: {name} ({kinds})",
        "The best recall that a first pass can reach, if the index misses nothing."
        + (ring if bends else ""),
        "Recall by number of leading dimensions. " + " ".join(texts),
        figure,
    )


def needed(tuning: Tuning) -> Plot | None:
    """Candidates needed for the target recall, by size; None without predictions."""
    figure, axes = draw.plain("dimensions", "candidates needed", 3.7)
    texts, dims, beyond = [], set[int](), False
    fewest = float(tuning.goal.k)
    for stored, name, kinds in STORED:
        known = {
            option.dims: option.candidates
            for option in tuning.options
            if option.stored == stored and option.graph is None
        }
        if not known:
            continue
        dims |= set(known)
        able = {size: count for size, count in sorted(known.items()) if count}
        axes.plot(
            list(able),
            list(able.values()),
            markersize=6,
            linewidth=1.8,
            color=LIGHT[name],
            marker="o" if stored == "floats" else "s",
            label=f"{name} ({kinds})",
        )
        never = sorted(set(known) - set(able))
        beyond = beyond or bool(never)
        axes.plot(
            never,
            [BEYOND_HEIGHT] * len(never),
            color=LIGHT[name],
            marker="^",
            markersize=7,
            linestyle="none",
            markerfacecolor="none",
        )
        needs = ", ".join(f"{size}: {able.get(size, 'more')}" for size in sorted(known))
        texts.append(f"{name.capitalize()} {needs}.")
    if not dims:
        return None
    draw.sizes_across(axes, sorted(dims))
    draw.logarithmic(axes, "y", 0.8 * fewest, 1.6 * MOST_CANDIDATES)
    draw.legend(figure, 2)
    return Plot(
        "candidates",
        f"Candidates needed for recall {tuning.goal.recall:g}",
        "Fewer candidates are faster."
        + (f" An open triangle marks a size that {BEYOND}" if beyond else ""),
        "Candidates needed by number of dimensions. " + " ".join(texts),
        figure,
    )
