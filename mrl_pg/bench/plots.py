"""Plots of a result as SVG files, in the form of the plots of `tune`."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mrl_pg.bench.front import FrontPoint, on_front
from mrl_pg.bench.result import BenchEntry, BenchResult

if TYPE_CHECKING:
    from mrl_pg.report.axes import Plot

FAMILIES = (
    ("mrl_pg bit", "signs", "-", 2.4),
    ("mrl_pg", "values", "-", 2.4),
    ("pgvector binary", "third", (0, (4, 2)), 1.4),
    ("pgvector subvector", "third", (0, (1, 1.5)), 1.6),
    ("pgvector", "full", "-", 1.6),
    ("adaptive", "fourth", (0, (4, 2)), 1.4),
)
"""Beginnings of names with the colour, the line and its width; the first that fits."""

OTHERS = ("ink", (0, (1, 1.5)), 1.2)


def write_plots(result: BenchResult, folder: Path) -> list[Path]:
    """Write each plot that the result has data for; returns the files."""
    from mrl_pg.report import svg

    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for plot in _plots(result):
        plot.figure.suptitle(plot.title, fontsize=11)
        file = folder / f"{plot.name}.svg"
        file.write_text(svg.text(plot.figure), encoding="utf-8")
        written.append(file)
    return written


def _plots(result: BenchResult) -> "list[Plot]":
    entries = result.entries
    made = [_front(entries, k) for entry in entries[:1] for k in entry.fronts]
    made += [_clients(entries), _memory(entries)]
    return [plot for plot in made if plot is not None]


def _front(entries: Sequence[BenchEntry], k: int) -> "Plot | None":
    from mrl_pg.report import axes as draw

    lines = {
        entry.name: [
            (point.rate.median, point.recall.mean) for point in _best(entry.fronts[k])
        ]
        for entry in entries
        if entry.fronts.get(k)
    }
    if not lines:
        return None
    figure, axes = draw.plain("searches per second, one client", "recall", 4.6)
    _draw(axes, lines)
    rates = [rate for line in lines.values() for rate, _ in line]
    recalls = [recall for line in lines.values() for _, recall in line]
    draw.logarithmic(axes, "x", 0.75 * min(rates), 1.4 * max(rates))
    draw.recalls_up(axes, max(0.5, min(recalls)), 0.95)
    draw.legend(figure, 2)
    return draw.Plot(
        f"recall-rate-{k}",
        f"Recall against searches per second, k = {k}",
        "Each mark is a measured effort that no other of the same line beats. Up and "
        "to the right is better.",
        "; ".join(
            f"{name}: "
            + ", ".join(f"{recall:.3f} at {rate:.0f}" for rate, recall in line)
            for name, line in lines.items()
        ),
        figure,
    )


def _best(points: Sequence[FrontPoint]) -> list[FrontPoint]:
    """The points that no other point beats, the least recall first."""
    stays = on_front([(point.recall.mean, point.rate.median) for point in points])
    front = [point for point, stay in zip(points, stays, strict=True) if stay]
    return sorted(front, key=lambda each: each.recall.mean)


def _clients(entries: Sequence[BenchEntry]) -> "Plot | None":
    from mrl_pg.report import axes as draw

    lines = {
        entry.name: [
            (float(point.clients), sorted(point.rates)[len(point.rates) // 2])
            for point in entry.clients
        ]
        for entry in entries
        if entry.clients
    }
    if not lines:
        return None
    figure, axes = draw.plain("clients", "searches per second", 4.6)
    _draw(axes, lines)
    counts = sorted({int(count) for line in lines.values() for count, _ in line})
    axes.set_xticks(counts, [str(count) for count in counts])
    axes.set_ylim(bottom=0)
    draw.legend(figure, 2)
    return draw.Plot(
        "clients",
        "Searches per second of several clients",
        "Each at its fastest effort of the recall that was asked for.",
        _told(lines),
        figure,
    )


def _memory(entries: Sequence[BenchEntry]) -> "Plot | None":
    from mrl_pg.report import axes as draw

    lines = {
        entry.name: [
            (each.limit_bytes / 1e6, each.point.rate.median)
            for each in sorted(entry.memory, key=lambda each: each.limit_bytes)
        ]
        for entry in entries
        if entry.memory
    }
    if not lines:
        return None
    figure, axes = draw.plain("memory of the server, MB", "searches per second", 4.6)
    _draw(axes, lines)
    rates = [rate for line in lines.values() for _, rate in line]
    draw.logarithmic(axes, "y", 0.75 * min(rates), 1.4 * max(rates))
    axes.set_xlim(left=0)
    draw.legend(figure, 2)
    return draw.Plot(
        "memory",
        "Searches per second by the memory of the server",
        "Each at its fastest effort of the recall that was asked for.",
        _told(lines),
        figure,
    )


Lines = dict[str, list[tuple[float, float]]]


def _draw(axes: object, lines: Lines) -> None:
    from mrl_pg.report.axes import MARKERS
    from mrl_pg.report.colours import LIGHT

    for i, (name, line) in enumerate(lines.items()):
        colour, style, width = next(
            (how for start, *how in FAMILIES if name.startswith(start)), OTHERS
        )
        axes.plot(  # type: ignore[attr-defined]
            [across for across, _ in line],
            [up for _, up in line],
            color=LIGHT[str(colour)],
            marker=MARKERS[i % len(MARKERS)],
            markersize=5,
            linestyle=style,
            linewidth=width,
            label=name,
        )


def _told(lines: Lines) -> str:
    return "; ".join(
        f"{name}: " + ", ".join(f"{up:.0f} at {across:g}" for across, up in line)
        for name, line in lines.items()
    )
