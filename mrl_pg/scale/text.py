"""A plan as a table: a column for each form, `~` before what is extrapolated."""

from collections.abc import Callable, Sequence

from mrl_pg.scale.measured import DIMS, most_rows
from mrl_pg.scale.plan import Figure, ScalePlan, best
from mrl_pg.search.options import MAX_EF_SEARCH

MANY_NODES = 4
MANY_PARTITIONS = 16

Column = Callable[[ScalePlan], str]


def text(plans: Sequence[ScalePlan]) -> str:
    """All plans, and what to make of them."""
    first = plans[0]
    head = (
        f"{first.rows:,} rows of {first.form.full_dims:,} dimensions as {first.full}, "
        f"recall {first.recall:g} at k = 10, m {first.m}, "
        f"nodes of {first.memory}"
    )
    lines = [head, *(f"- {note}" for note in _notes(plans)), "", *_table(plans), ""]
    return "\n".join([*lines, *_advice(plans)])


def _notes(plans: Sequence[ScalePlan]) -> list[str]:
    most = {most_rows(each.form.series) for each in plans}
    rows = " or ".join(f"{rows:,}" for rows in sorted(most))
    return [
        f"~ is extrapolated. Measured were {DIMS} dimensions, m 16, and up to {rows} "
        "rows",
        "bytes follow from the layout of pages, the rest from lines through what was "
        "measured",
        "CPU is that of a busy machine. A quiet one took about a quarter",
    ]


def _table(plans: Sequence[ScalePlan]) -> list[str]:
    rows: list[tuple[str, Column]] = [
        ("index", lambda p: _marked(p.index, _size)),
        ("table without TOAST", lambda p: _marked(p.heap, _size)),
        ("TOAST", lambda p: _marked(p.toast, _size)),
        ("nodes", lambda p: f"{p.nodes:,}"),
        ("partitions", lambda p: f"{p.partitions:,}"),
        ("rows of a partition", lambda p: f"{p.rows_each:,}"),
        ("memory of one build", lambda p: _marked(p.graph, _size)),
        ("CPU of all builds", lambda p: _marked(p.build_hours, _hours)),
        ("candidates, each partition", lambda p: _marked(p.candidates, _count)),
        ("CPU of a search", lambda p: _marked(p.cpu_ms, _ms)),
        ("pages of a search", lambda p: _marked(p.pages, _count)),
        ("of these from disk", lambda p: _marked(p.disk_pages, _count)),
    ]
    columns = [["", *(name for name, _ in rows)]]
    columns += [[p.name, *(cell(p) for _, cell in rows)] for p in plans]
    widths = [max(map(len, column)) for column in columns]
    return [
        "  ".join(
            part.ljust(width) if i == 0 else part.rjust(width)
            for i, (part, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in zip(*columns, strict=True)
    ]


def _advice(plans: Sequence[ScalePlan]) -> list[str]:
    chosen = best(plans)
    said = []
    if len(plans) > 1:
        least = sum(each.nodes == chosen.nodes for each in plans) > 1
        why = "least CPU time for a search" if least else "fewest nodes"
        said.append(f"{chosen.name} takes the {why}.")
    said.append(
        f"Build one partition after the other, with maintenance_work_mem above "
        f"{_size(chosen.graph.value)}. A core answers about "
        f"{_digits(1000 / chosen.cpu_ms.value)} searches a second."
    )
    for each in plans:
        if not each.reachable:
            said.append(
                f"{each.name}: {each.candidates.value:,.0f} candidates are more than "
                f"hnsw.ef_search can be ({MAX_EF_SEARCH}). Use more partitions, a "
                "better graph (m 32, ef_construction 200), or another kind."
            )
    small = [p.name for p in plans if p.form.finds_less and not p.form.one_pass]
    if small:
        said.append(
            f"Candidates of {' and '.join(small)} are those of more dimensions, which "
            "were measured: fewer dimensions find less, and need more of them."
        )
    if chosen.nodes > MANY_NODES or chosen.partitions > MANY_PARTITIONS:
        said.append(
            "At this size another engine may be the better buy: docs/scale.md names "
            "some, with their figures."
        )
    return said


def _marked(figure: Figure, shown: Callable[[float], str]) -> str:
    return f"{'' if figure.measured else '~'}{shown(figure.value)}"


def _size(size: float) -> str:
    for unit, name in ((1e12, "TB"), (1e9, "GB"), (1e6, "MB")):
        if size >= unit:
            return f"{_digits(size / unit)} {name}"
    return f"{size / 1e3:,.0f} kB"


def _digits(number: float) -> str:
    """Three digits, or all before the point."""
    places = 2 if number < 10 else 1 if number < 100 else 0
    return f"{number:,.{places}f}"


def _hours(hours: float) -> str:
    return f"{hours * 60:,.1f} min" if hours < 2 else f"{_digits(hours)} h"


def _ms(ms: float) -> str:
    return f"{_digits(ms)} ms" if ms < 1000 else f"{_digits(ms / 1000)} s"


def _count(number: float) -> str:
    return f"{number:,.0f}"
