"""The page: words and tables of a result, its plots in between, by a template."""

from dataclasses import asdict, dataclass
from importlib.resources import files

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup

from mrl_pg.install import VERSION
from mrl_pg.report import svg, values
from mrl_pg.report.axes import Plot
from mrl_pg.report.colours import DARK, LIGHT
from mrl_pg.report.examples import grids
from mrl_pg.report.plots import plots
from mrl_pg.tune import Tuning

TEMPLATE = "page.html.j2"
DOORS = {
    "sql": "SQL",
    "python": "Python",
    "sqlalchemy": "SQLAlchemy and Alembic",
    "shell": "Shell",
}


@dataclass(frozen=True, slots=True)
class Table:
    """Cells as text; `marked` are positions of rows that stand out."""

    caption: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    marked: frozenset[int] = frozenset()


def page(tuning: Tuning) -> str:
    """The whole page as text."""
    environment = Environment(
        loader=FunctionLoader(template),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["sentence"] = sentence
    advice = tuning.recommendation
    written = {} if advice.commands is None else asdict(advice.commands)
    made, examples = plots(tuning), grids(tuning)
    return environment.get_template(TEMPLATE).render(
        name=f"{tuning.table.name}.{tuning.column}",
        tuning=tuning,
        advice=advice,
        figures=figures(tuning),
        commands=[(title, written[key]) for key, title in DOORS.items() if written],
        plots={plot.name: drawn(plot) for plot in made},
        predicted=predicted(tuning),
        built=built(tuning),
        measured=measured(tuning),
        judged=judged(tuning),
        examples=examples,
        shows=any(line.row.more for grid in examples for line in grid.lines),
        about=about(tuning),
        light=LIGHT,
        dark=DARK,
    )


def template(name: str) -> str:
    """A file beside this one."""
    return files("mrl_pg.report").joinpath(name).read_text(encoding="utf-8")


def sentence(text: str) -> str:
    """With a capital, unless it starts with a name such as `bit(384)`."""
    first, *_ = text.split(" ", 1)
    return text[0].upper() + text[1:] if first.rstrip(",:").isalpha() else text


def drawn(plot: Plot) -> dict[str, str]:
    """What the template takes of a plot."""
    element = svg.inline(plot.figure, plot.name, plot.title, plot.alt)
    return {
        "name": plot.name,
        "title": plot.title,
        "caption": plot.caption,
        "svg": Markup(element),
    }


def figures(tuning: Tuning) -> list[tuple[str, str, str]]:
    """The few figures that matter: what, how much, and beside what."""
    chosen, best = values.chosen(tuning), values.choice(tuning)
    found = []
    if best is not None:
        low, high = values.recall(best.recall.low), values.recall(best.recall.high)
        asked = f"95 % interval {low} to {high}; asked {tuning.goal.recall:g}"
        found.append(("recall", values.recall(best.recall.mean), asked))
        p95 = f"p95 {best.p95} ms"
        found.append(("median time", values.milliseconds(best.median_ms), p95))
    if chosen is not None:
        full, said = values.full_index(tuning), "predicted for all rows"
        if full is not None:
            said = f"{full[1] / chosen.index_bytes:.1f} times less than {full[0]}"
        found.append(("index", values.megabytes(chosen.index_bytes), said))
    return found


def predicted(tuning: Tuning) -> Table:
    """Every size and kind, with what was worked out before anything was built."""
    counts = values.counts(tuning)
    known = {(curve.stored, curve.dims): curve for curve in tuning.curves}
    rows, marked = [], set[int]()
    for i, option in enumerate(values.shown(tuning)):
        curve = known["bits" if option.kind == "bit" else "floats", option.dims]
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
