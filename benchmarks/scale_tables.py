"""Print the tables of docs/scale.md, and draw its plot, from what scale.py measured.

    python benchmarks/scale_tables.py
    python benchmarks/scale_tables.py --plot docs/images/scale.svg

It reads the cells in `mrl_pg/scale/measured.jsonl` and needs no server.
"""

import argparse
from pathlib import Path

from mrl_pg.report import axes as draw
from mrl_pg.report import svg
from mrl_pg.report.colours import LIGHT
from mrl_pg.scale.measured import (
    MeasuredCell,
    Series,
    build_us,
    cells,
    cells_of,
    search_slopes,
)

RECALL = 0.95
NAMES = {
    "bit": "two passes, bit(1536)",
    "halfvec(256)": "two passes, halfvec(256)",
    "single halfvec": "one pass, halfvec(1536)",
    "single vector": "one pass, vector(1536)",
    "ivfflat": "two passes, IVFFlat over bit(1536)",
}
LINES = (
    ("bit", "signs", "o"),
    ("halfvec(256)", "values", "s"),
    ("single halfvec", "full", "^"),
)
MB = 1e6


def main() -> None:
    """Print everything."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--plot", type=Path, help="write the plot into this file")
    args = parser.parse_args()
    print_cells()
    print_misses()
    print_ivfflat()
    if args.plot:
        args.plot.write_text(plot(), encoding="utf-8")


def print_cells() -> None:
    """What was measured, at one recall."""
    head(
        *("index", "rows", "index, MB", "build, µs of CPU a row"),
        *("memory of the build, MB", "candidates", "CPU of a search, ms"),
        *("pages of the index", "of the table", "of TOAST"),
    )
    for series, name in NAMES.items():
        if series == "ivfflat":
            continue
        for i, cell in enumerate(cells_of(series)):
            cost = cell.at(RECALL)
            row(
                name if i == 0 else "",
                f"{cell.rows:,}",
                f"{cell.index_bytes / MB:,.1f}",
                f"{1e6 * cell.build_cpu_s / cell.rows:,.0f}",
                f"{cell.build_peak_bytes / MB:,.0f}",
                f"{cost.effort:,.0f}",
                f"{cost.cpu_ms:,.1f}",
                f"{cost.index_pages:,.0f}",
                f"{cost.heap_pages:,.0f}",
                f"{cost.toast_pages:,.0f}",
            )


def print_misses() -> None:
    """How far lines are from the largest tables, and lines without these."""
    print()
    head("index", "rows", "CPU of the build", "candidates", "CPU of a search", "pages")
    for series, name in NAMES.items():
        some = cells_of(series)
        if series == "ivfflat" or len(some) < 2:
            continue
        last = some[-1]
        ratios = [misses(last, without) for without in (0, last.rows)]
        both = [f"{near:.2f} ({far:.2f})" for near, far in zip(*ratios, strict=True)]
        row(name, f"{last.rows:,}", *both)


def misses(cell: MeasuredCell, without: int) -> list[float]:
    """Lines through all tables but one, divided by what was measured on a table."""
    series: Series = cell.series  # type: ignore[assignment]
    real = cell.at(RECALL)
    line = search_slopes(series, RECALL, without).at(cell.rows, RECALL)
    built = build_us(series, without).at(cell.rows) * cell.rows / 1e6
    return [
        built / cell.build_cpu_s,
        line.effort / real.effort,
        line.cpu_ms / real.cpu_ms,
        line.index_pages / real.index_pages,
    ]


def print_ivfflat() -> None:
    """IVFFlat at some numbers of probes."""
    print()
    head(
        *("rows", "lists", "index, MB", "build, µs of CPU a row", "memory, MB"),
        *("lists read", "recall", "CPU of a search, ms", "pages of the index"),
    )
    for cell in cells_of("ivfflat"):
        for i, each in enumerate(cell.searches[-4:]):
            known = (
                f"{cell.rows:,}",
                f"{cell.lists}",
                f"{cell.index_bytes / MB:,.1f}",
                f"{1e6 * cell.build_cpu_s / cell.rows:,.0f}",
                f"{cell.build_peak_bytes / MB:,.0f}",
            )
            row(
                *(known if i == 0 else [""] * len(known)),
                f"{each.effort:g}",
                f"{each.recall:.3f}".lstrip("0"),
                f"{each.cpu_ms:.1f}",
                f"{each.index_pages:,.0f}",
            )


def head(*parts: str) -> None:
    """Print the head of a table; all columns but the first are figures."""
    row(*parts)
    print("|" + "|".join(["---", *["---:"] * (len(parts) - 1)]) + "|")


def row(*parts: str) -> None:
    """Print a line of a table."""
    print("|", " | ".join(parts), "|")


def plot() -> str:
    """CPU time of a search and of a build over the number of rows."""
    figure, axes = draw.plain("rows", "ms of CPU for a search, recall .95", 4.6)
    for series, colour, marker in LINES:
        some = cells_of(series)
        if len(some) < 2:
            continue
        axes.plot(
            [cell.rows for cell in some],
            [cell.at(RECALL).cpu_ms for cell in some],
            color=LIGHT[colour],
            marker=marker,
            markersize=5,
            label=NAMES[series],
        )
    rows = sorted({cell.rows for cell in cells()})
    draw.logarithmic(axes, "x", 0.75 * rows[0], 1.4 * rows[-1])
    axes.set_xticks(rows, [f"{each:,}" for each in rows])
    axes.set_ylim(bottom=0)
    draw.legend(figure, 2)
    return svg.text(figure)


if __name__ == "__main__":
    main()
