"""The tables of a page: every number that a plot or a sentence stands on."""

from dataclasses import dataclass

from mrl_pg.install import VERSION
from mrl_pg.report import values
from mrl_pg.tune import Tuning


@dataclass(frozen=True, slots=True)
class Table:
    """Cells as text; `marked` are positions of rows that stand out."""

    caption: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    marked: frozenset[int] = frozenset()


def predicted(tuning: Tuning) -> Table:
    """Every size and kind, with what was worked out before anything was built."""
    counts = values.counts(tuning)
    known = {(curve.stored, curve.dims): curve for curve in tuning.curves}
    rows, marked = [], set[int]()
    for i, option in enumerate(values.shown(tuning)):
        curve = known[option.stored, option.dims]
        shares = [values.recall(curve.recall(count).mean) for count in counts]
        needed = "-" if option.candidates is None else f"{option.candidates}"
        rows.append(
            (
                option.name,
                *shares,
                needed,
                values.megabytes(option.index_bytes),
                values.megabytes(option.column_bytes),
                f"{option.build_seconds:,.0f} s",
            )
        )
        if option.name == tuning.recommendation.name:
            marked.add(i)
    head = [f"recall at {count}" for count in counts]
    return Table(
        f"Every size and kind, predicted; build times are {tuning.build_times}",
        (
            "kind (dims)",
            *head,
            "candidates needed",
            "index",
            "column",
            "build",
        ),
        tuple(rows),
        frozenset(marked),
    )


def built(tuning: Tuning) -> Table | None:
    """The indexes that were tried, as they came out."""
    rows = [
        (one.name, f"{one.seconds:,.1f} s", values.megabytes(one.bytes))
        for one in tuning.built
    ]
    about = f"Indexes built on a copy of the {tuning.read.rows:,} rows read"
    return Table(about, ("index", "build", "size"), tuple(rows)) if rows else None


def measured(tuning: Tuning) -> Table | None:
    """Every setting, fastest first; those of the front stand out."""
    if not tuning.points:
        return None
    front, best = tuning.front, values.choice(tuning)
    points = sorted(tuning.points, key=lambda point: point.median_ms)
    rows = []
    for point in points:
        part = "choice" if point == best else "front" if point in front else ""
        rows.append(
            (
                point.name,
                "" if point.candidates is None else f"{point.candidates}",
                "" if point.ef_search is None else f"{point.ef_search}",
                values.recall(point.recall.mean),
                f"{values.recall(point.recall.low)} to "
                f"{values.recall(point.recall.high)}",
                f"{point.median_ms:.2f}",
                point.p95,
                part,
            )
        )
    return Table(
        "Every setting that was measured, fastest first",
        (
            "index",
            "candidates",
            "ef_search",
            "recall",
            "95 % interval",
            "median, ms",
            "p95, ms",
            "part",
        ),
        tuple(rows),
        frozenset(i for i, row in enumerate(rows) if row[-1]),
    )


def stored(tuning: Tuning) -> Table | None:
    """The best settings with full vectors outside the row, and in it."""
    pairs = tuning.storage.pairs if tuning.storage else ()
    rows = [
        (
            one.toast.name,
            f"{one.toast.candidates}",
            f"{one.toast.ef_search}",
            f"{one.toast.median_ms:.2f}",
            f"{one.plain.median_ms:.2f}",
            values.recall(one.ratio),
            f"{values.recall(one.low)} to {values.recall(one.high)}",
        )
        for one in pairs
    ]
    head = (
        "index",
        "candidates",
        "ef_search",
        "in TOAST, ms",
        "in the row, ms",
        "share of the time",
        "95 % interval",
    )
    about = (
        "Once more, queries in turn, full vectors in TOAST, then in the row: medians"
    )
    return Table(about, head, tuple(rows)) if rows else None


def judged(tuning: Tuning) -> Table | None:
    """What leading dimensions find, beside as many others."""
    if tuning.judgement is None:
        return None
    rows = [
        (f"{one.dims}", *map(values.recall, (one.leading, one.random, one.last)))
        for one in tuning.judgement.sizes
    ]
    head = ("dims", "leading", "random", "last")
    return Table(
        "Share of the true top 10 found by so many dimensions", head, tuple(rows)
    )


def about(tuning: Tuning) -> list[tuple[str, str]]:
    """How it was measured."""
    table, read, goal = tuning.table, tuning.read, tuning.goal
    rows = f"{read.rows:,}, all of them"
    if read.share < 1:
        rows = f"{read.rows:,}, a sample of {read.share:.2%} (seed {read.seed})"
    zeros = f"; {read.zero_queries:,} of zeros left out" if read.zero_queries else ""
    said = [
        ("table", f"{table.name}, {table.rows:,} rows"),
        ("column", f"{tuning.column}, {table.full_type}({table.full_dims})"),
        ("rows read", f"{rows}, in {read.seconds:,.1f} s"),
        ("queries", f"{read.queries:,}: {read.origin}{zeros}"),
        ("asked", f"recall {goal.recall:g} at k = {goal.k}, {goal.distance}"),
        ("graph", f"m {goal.m}, ef_construction {goal.ef_construction}"),
        ("measured on", table.read_at),
        (
            "versions",
            f"mrl_pg {VERSION}, PostgreSQL {table.server}, pgvector {table.pgvector}",
        ),
    ]
    if read.zero_rows:
        said.append(("rows of zeros", f"{read.zero_rows:,}: in no cosine index"))
    return said
