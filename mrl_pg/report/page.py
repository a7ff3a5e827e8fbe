"""Makes the page from a template: recommendation, plots, tables and examples."""

from base64 import b64encode
from dataclasses import asdict
from hashlib import sha256
from importlib.resources import files

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup

from mrl_pg.report import svg, tables, values
from mrl_pg.report.axes import Plot
from mrl_pg.report.colours import DARK, LIGHT
from mrl_pg.report.examples import grids
from mrl_pg.report.marks import marks
from mrl_pg.report.plots import plots
from mrl_pg.tune import Tuning

TEMPLATE = "page.html.j2"
SCRIPT = "script.js.j2"
MOST_ROWS = 8
"""A longer table is folded."""

INTERFACES = {
    "sql": "SQL",
    "python": "Python",
    "sqlalchemy": "SQLAlchemy and Alembic",
    "shell": "Shell",
}


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
    script = template(SCRIPT)
    return environment.get_template(TEMPLATE).render(
        name=f"{tuning.table.name}.{tuning.column}",
        tuning=tuning,
        advice=advice,
        figures=figures(tuning),
        commands=[
            (title, written[key]) for key, title in INTERFACES.items() if written
        ],
        plots={plot.name: drawn(plot) for plot in made},
        predicted=tables.predicted(tuning),
        built=tables.built(tuning),
        measured=tables.measured(tuning),
        stored=tables.stored(tuning),
        squeezed=tables.squeezed(tuning),
        judged=tables.judged(tuning),
        rotated=tables.rotated(tuning),
        examples=examples,
        shows=any(line.row.more for grid in examples for line in grid.lines),
        about=tables.about(tuning),
        marks=marks(tuning),
        most_rows=MOST_ROWS,
        script=Markup(script),
        # browsers run no other script of the page
        script_hash=b64encode(sha256(script.encode()).digest()).decode(),
        light=LIGHT,
        dark=DARK,
    )


def template(name: str) -> str:
    """The text of a template in this folder."""
    return files("mrl_pg.report").joinpath(name).read_text(encoding="utf-8")


def sentence(text: str) -> str:
    """The text with a capital, unless it starts with a name such as `bit(384)`."""
    first, *_ = text.split(" ", 1)
    return text[0].upper() + text[1:] if first.rstrip(",:").isalpha() else text


def drawn(plot: Plot) -> dict[str, str]:
    """The parts of a plot for the template."""
    element = svg.inline(plot.figure, plot.name, plot.title, plot.alt)
    return {
        "name": plot.name,
        "title": plot.title,
        "caption": plot.caption,
        "svg": Markup(element),
    }


def figures(tuning: Tuning) -> list[tuple[str, str, str]]:
    """The few most important figures, each with its label, value and note."""
    chosen, best = values.chosen(tuning), values.choice(tuning)
    shown = []
    if best is not None:
        low, high = values.recall(best.recall.low), values.recall(best.recall.high)
        note = f"95 % interval {low} to {high}; target {tuning.goal.recall:g}"
        shown.append(("recall", values.recall(best.recall.mean), note))
        enough = best.p95_ms is not None
        p95 = f"p95 {best.p95} ms" if enough else f"of {best.recall.queries} queries"
        shown.append(("median time", values.milliseconds(best.median_ms), p95))
    if chosen is not None:
        full, note = values.full_index(tuning), "predicted for all rows"
        if full is not None:
            note = f"{full[1] / chosen.index_bytes:.1f} times less than {full[0]}"
        shown.append(("index", values.megabytes(chosen.index_bytes), note))
    return shown
