"""Plots of the recall that prefixes can reach, which is known before any build."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mrl_pg.kinds import Stored
from mrl_pg.recall.curve import MOST_CANDIDATES
from mrl_pg.report import axes as draw
from mrl_pg.report import values
from mrl_pg.report.axes import Plot
from mrl_pg.report.colours import LIGHT, STEPS
from mrl_pg.report.marks import marks
from mrl_pg.tune import Tuning

STORED: tuple[tuple[Stored, str, str], ...] = (
    ("floats", "values", "vector and halfvec"),
    ("bits", "signs", "bit"),
)
BEYOND: dict[Stored, tuple[str, float]] = {
    "floats": ("^", 1.42 * MOST_CANDIDATES),
    "bits": ("v", 1.15 * MOST_CANDIDATES),
}
"""Shape and height of the mark of a size that needs more than MOST_CANDIDATES."""


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
            _chosen_size(axes, tuning, stored, lines[0].dims)
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
            edgecolors=LIGHT["ink"],
            linewidths=1.2,
            zorder=5,
            label="knee",
        )


def _chosen_size(
    axes: Axes, tuning: Tuning, stored: Stored, dims: Sequence[int]
) -> None:
    """A line at the size of the choice, if the choice is stored in this way."""
    best = values.chosen(tuning)
    if best is None or best.stored != stored or best.dims not in dims:
        return
    axes.axvline(
        best.dims,
        color=marks(tuning)[best.name].colour,
        linewidth=1.6,
        linestyle=(0, (1, 1.5)),
        zorder=1.5,
        gid="choice",
    )
    axes.annotate(
        f"choice: {best.name}",
        (best.dims, 1),
        xycoords=("data", "axes fraction"),
        xytext=(0, 3),
        textcoords="offset points",
        ha="left" if dims.index(best.dims) < len(dims) / 2 else "right",
        va="bottom",
        fontsize=draw.SIZE - 1,
        fontweight="bold",
        color=LIGHT["ink"],
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


def _tried(axes: Axes, tuning: Tuning) -> None:
    """Marks of the indexes that were tried, with the usual graph; the choice last."""
    known, best = marks(tuning), values.chosen(tuning)
    able = [
        (option, (option.dims, option.candidates))
        for option in values.shown(tuning)
        if option.graph is None and option.candidates
    ]
    for option, place in able:
        if option.name in known and option is not best:
            axes.plot(
                *place,
                color=known[option.name].colour,
                marker=known[option.name].shape,
                markersize=8,
                linestyle="none",
                zorder=4,
                label=option.name,
            )
    for option, place in able:
        if option is best:
            lines = [
                sorted(other for o, other in able if o.stored == stored)
                for stored in {o.stored for o, _ in able}
            ]
            draw.choice(
                axes, f"choice: {option.name}", place, known[option.name], lines
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
            if option.stored == stored and option.graph is None and not option.rotated
        }
        if not known:
            continue
        dims |= set(known)
        able = {size: count for size, count in sorted(known.items()) if count}
        axes.plot(
            list(able),
            list(able.values()),
            markersize=4,
            linewidth=1.4,
            color=LIGHT["muted"],
            linestyle="-" if stored == "floats" else (0, (4, 2)),
            marker=".",
            label=f"{name} ({kinds})",
        )
        never = sorted(set(known) - set(able))
        shape, height = BEYOND[stored]
        beyond = beyond or bool(never)
        axes.plot(
            never,
            [height] * len(never),
            color=LIGHT["muted"],
            marker=shape,
            markersize=6,
            linestyle="none",
            markerfacecolor="none",
        )
        needs = ", ".join(f"{size}: {able.get(size, 'more')}" for size in sorted(known))
        texts.append(f"{name.capitalize()} {needs}.")
    if not dims:
        return None
    draw.sizes_across(axes, sorted(dims))
    draw.logarithmic(axes, "y", 0.8 * fewest, 1.6 * MOST_CANDIDATES)
    _tried(axes, tuning)
    draw.legend(figure, 2)
    return Plot(
        "candidates",
        f"Candidates needed for recall {tuning.goal.recall:g}",
        "Fewer candidates are faster."
        + (
            " An open triangle (values point up, signs down) marks a size that needs "
            f"more than {MOST_CANDIDATES}, which no scan returns."
            if beyond
            else ""
        ),
        "Candidates needed by number of dimensions. " + " ".join(texts),
        figure,
    )
