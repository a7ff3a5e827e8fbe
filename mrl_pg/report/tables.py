"""The tables of a page, with the numbers of all plots and sentences."""

from dataclasses import dataclass

from mrl_pg.installation import VERSION
from mrl_pg.report import values
from mrl_pg.tune import Tuning


@dataclass(frozen=True, slots=True)
class Table:
    """A table of text cells; `marked` are the positions of rows to highlight."""

    caption: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    marked: frozenset[int] = frozenset()


def predicted(tuning: Tuning) -> Table:
    """Every size and kind, with its predictions."""
    counts = values.counts(tuning)
    rows, marked = [], set[int]()
    for i, option in enumerate(values.shown(tuning)):
        curve = tuning.curve_of(option)
        shares = [
            values.recall(curve.recall(count).mean) if curve else "-"
            for count in counts
        ]
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
    """The indexes that were built, with build time and size."""
    rows = [
        (index.name, f"{index.seconds:,.1f} s", values.megabytes(index.bytes))
        for index in tuning.built
    ]
    about = f"Indexes built on a copy of the {tuning.read.rows:,} rows read"
    return Table(about, ("index", "build", "size"), tuple(rows)) if rows else None


def measured(tuning: Tuning) -> Table | None:
    """Every measured setting, fastest first; settings of the front are marked."""
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
                "" if point.reads is None else f"{point.reads}",
                "" if point.ef_search is None else f"{point.ef_search}",
                values.recall(point.recall.mean),
                ""
                if point.exact
                else f"{values.recall(point.recall.low)} to "
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
            "read",
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
    """The best settings with full vectors in TOAST, and in the row."""
    pairs = tuning.storage.pairs if tuning.storage else ()
    rows = [
        (
            pair.toast.name,
            f"{pair.toast.candidates}",
            f"{pair.toast.reads}",
            f"{pair.toast.ef_search}",
            values.recall(pair.ratio),
            f"{values.recall(pair.low)} to {values.recall(pair.high)}",
        )
        for pair in pairs
    ]
    head = (
        "index",
        "candidates",
        "read",
        "ef_search",
        "share of the time",
        "95 % interval",
    )
    about = "Time with full vectors in the row, as a share of the time with TOAST"
    return Table(about, head, tuple(rows)) if rows else None


def squeezed(tuning: Tuning) -> Table | None:
    """The best searches with the memory that was asked for."""
    memory = tuning.memory
    searches = memory.fastest(tuning.goal) if memory else []
    if memory is None or not searches:
        return None
    rows = [
        (
            search.name,
            values.megabytes(search.index_bytes),
            "yes" if search.index_bytes <= memory.bytes else "no",
            f"{search.from_disk:.0%}",
            f"{search.point.median_ms:.2f}",
            f"{search.ms:.1f}",
        )
        for search in searches
    ]
    how = "measured" if memory.measured else "predicted"
    head = (
        "search",
        "index of all rows",
        "index fits",
        "pages from disk, predicted",
        "in memory, ms",
        f"{how}, ms",
    )
    return Table(f"With {memory.given} of memory, {how}", head, tuple(rows))


def judged(tuning: Tuning) -> Table | None:
    """Recall by leading dimensions, and by as many other dimensions."""
    if tuning.judgement is None:
        return None
    rows = [
        (f"{size.dims}", *map(values.recall, (size.leading, size.random, size.last)))
        for size in tuning.judgement.sizes
    ]
    head = ("dims", "leading", "random", "last")
    return Table(
        "Share of the true top 10 found by each number of dimensions", head, tuple(rows)
    )


def rotated(tuning: Tuning) -> Table | None:
    """What prefixes find of rows as they are, and of rotated rows."""
    test = tuning.rotation
    if test is None:
        return None
    first = test.candidates
    rows = [
        (
            f"{plain.dims}",
            values.recall(plain.recall(first).mean),
            values.recall(turned.recall(first).mean),
        )
        for plain, turned in zip(test.plain, test.rotated, strict=True)
    ]
    return Table(
        f"Share of the true top {test.k} within {first}, of {test.rows:,} rows",
        ("dims", "as they are", "rotated"),
        tuple(rows),
    )


def about(tuning: Tuning) -> list[tuple[str, str]]:
    """The facts of the measurement, as labels and values."""
    table, read, goal = tuning.table, tuning.read, tuning.goal
    rows = f"{read.rows:,}, all of them"
    if read.share < 1:
        rows = f"{read.rows:,}, a sample of {read.share:.2%} (seed {read.seed})"
    zeros = f"; left out {read.zero_queries:,} of zeros" if read.zero_queries else ""
    facts = [
        ("table", f"{table.name}, {table.rows:,} rows"),
        ("column", f"{tuning.column}, {table.full_type}({table.full_dims})"),
        ("rows read", f"{rows}, in {read.seconds:,.1f} s"),
        ("queries", f"{read.queries:,}: {read.origin}{zeros}"),
        ("target", f"recall {goal.recall:g} at k = {goal.k}, {goal.distance}"),
        ("graph", f"m {goal.m}, ef_construction {goal.ef_construction}"),
        ("measured on", table.read_at),
        (
            "versions",
            f"mrl_pg {VERSION}, PostgreSQL {table.server}, pgvector {table.pgvector}",
        ),
    ]
    if tuning.memory is not None:
        facts.append(
            ("memory", f"{tuning.memory.given}: times are {tuning.memory.head}")
        )
    if tuning.noise is not None:
        facts.append(("noise", f"{tuning.noise}"))
    if read.zero_rows:
        facts.append(("rows of zeros", f"{read.zero_rows:,}, in no cosine index"))
    return facts
