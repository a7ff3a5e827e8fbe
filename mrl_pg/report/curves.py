"""Plots of what prefixes can find: worked out before anything is built."""

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
BEYOND_TOLD = f"more than {MOST_CANDIDATES}, which no scan hands over."
BEYOND = 1.35 * MOST_CANDIDATES
"""Where a size stands that needs more candidates than there can be."""


def quality(tuning: Tuning) -> list[Plot]:
    """Recall against dimensions, by values and by signs, on axes that compare."""
    found = {stored: values.lines(tuning, stored) for stored, *_ in STORED}
    every = [r for some in found.values() for line in some for r in line.recalls]
    made = []
    for stored, name, kinds in STORED:
        if found[stored][0].dims:
            figure, axes = draw.plain(
                "dimensions", "recall of exact prefix search", 3.9
            )
            _quality_lines(axes, found[stored])
            draw.target(axes, tuning.goal.recall)
            draw.sizes_across(axes, found[stored][0].dims)
            draw.share_up(axes, min([*every, tuning.goal.recall]))
            draw.legend(figure, 3)
            made.append(_quality_plot(found[stored], name, kinds, figure))
    return made


def _quality_lines(axes: Axes, found: list[values.Line]) -> None:
    for i, line in enumerate(found):
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
        for line in found
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
    found: list[values.Line], name: str, kinds: str, figure: Figure
) -> Plot:
    said = []
    for line in found:
        text = ", ".join(
            f"{size}: {values.recall(recall)}"
            for size, recall in zip(line.dims, line.recalls, strict=True)
        )
        bend = "no knee" if line.knee is None else f"knee at {line.dims[line.knee]}"
        said.append(f"With {line.candidates} candidates {text}; {bend}.")
    ring = " The ring marks the knee: after it, more dimensions bring less."
    bends = any(line.knee is not None for line in found)
    return Plot(
        f"quality-{name}",
        f"Quality against dimensions: {name} ({kinds})",
        "What the first pass can find at best, before an index loses anything."
        + (ring if bends else ""),
        "Recall by number of leading dimensions. " + " ".join(said),
        figure,
    )


def needed(tuning: Tuning) -> Plot | None:
    """Candidates needed for the recall that was asked for, by size."""
    figure, axes = draw.plain("dimensions", "candidates needed", 3.7)
    said, dims, beyond = [], set[int](), False
    fewest = float(tuning.goal.k)
    for stored, name, kinds in STORED:
        known = {
            option.dims: option.candidates
            for option in tuning.options
            if option.stored == stored
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
            [BEYOND] * len(never),
            color=LIGHT[name],
            marker="^",
            markersize=7,
            linestyle="none",
            markerfacecolor="none",
        )
        needs = ", ".join(f"{size}: {able.get(size, 'more')}" for size in sorted(known))
        said.append(f"{name.capitalize()} {needs}.")
    if not dims:
        return None
    draw.sizes_across(axes, sorted(dims))
    draw.logarithmic(axes, "y", 0.8 * fewest, 1.6 * MOST_CANDIDATES)
    draw.legend(figure, 2)
    return Plot(
        "candidates",
        f"Candidates needed for recall {tuning.goal.recall:g}",
        "Fewer are faster."
        + (f" An open triangle at the top: {BEYOND_TOLD}" if beyond else ""),
        "Candidates needed by number of dimensions. " + " ".join(said),
        figure,
    )
