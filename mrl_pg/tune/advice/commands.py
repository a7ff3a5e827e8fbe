"""The commands of each interface that make an index, calibrate it and search it."""

import keyword
import shlex
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from psycopg import sql

from mrl_pg.catalog import slots
from mrl_pg.index import MatryoshkaIndex
from mrl_pg.layout import IndexLayout
from mrl_pg.tune.advice import rotation
from mrl_pg.tune.queries import REAL_QUERIES
from mrl_pg.tune.request import TuneRequest
from mrl_pg.tune.rows.table import TableFacts

TAKEN = {"metadata", "registry"}
"""Names that SQLAlchemy's declarative base uses, so that a model may not use them."""


@dataclass(frozen=True, slots=True)
class Commands:
    """The commands of each interface; `shell` is for the command line."""

    shell: str
    sql: str
    python: str
    sqlalchemy: str


@dataclass(frozen=True, slots=True)
class QueryOrigin:
    """The queries that were measured, to calibrate with them; by default rows.

    They come from a `file`, from the statement `select`, are `kept` real queries, or
    are `given` in Python.
    """

    file: str = ""
    select: str = ""
    kept: bool = False
    given: bool = False

    @classmethod
    def of(cls, request: TuneRequest, origin: str) -> "QueryOrigin":
        """The queries that a request measured with, which came from `origin`."""
        file = request.queries_file
        return cls(
            # without its folder, because reports are passed on
            "" if file is None else Path(file).name,
            (request.queries_sql or "").strip().rstrip(";"),
            origin == REAL_QUERIES,
            request.queries is not None,
        )

    @property
    def repeats(self) -> bool:
        """Whether a calibration takes the very queries that were tuned on.

        Of real queries it takes those that are stored by then.
        """
        return bool(self.file or self.select or self.given)

    @property
    def in_python(self) -> str:
        """The argument of `calibrate`."""
        if self.kept:
            return ", real_queries=True"
        return ", queries=queries" if self.file or self.select or self.given else ""

    @property
    def in_shell(self) -> list[str]:
        """The options of `mrl-pg calibrate`."""
        if self.kept:
            return ["--real-queries"]
        return ["--queries", self.file] if self.file else []

    def in_sql(self, table: str, column: str) -> sql.Composable:
        """The argument of `mrl.calibrate`."""
        if self.kept:
            names = {"table": sql.Literal(table), "column": sql.Literal(column)}
            return slots.statement("recommended_kept", **names)
        if self.select:
            return slots.statement("recommended_selected", select=sql.SQL(self.select))
        return sql.SQL("")


def commands(
    index: MatryoshkaIndex,
    table: TableFacts,
    k: int,
    recall: float,
    origin: QueryOrigin,
    *,
    rotate: IndexLayout | None = None,
) -> Commands:
    """The commands for one index, its calibration and a search, in each interface.

    If the rows of another column are to be rotated first, `rotate` is its layout.
    """
    graph = {"m": (index.m, 16), "ef_construction": (index.ef_construction, 64)}
    other = {key: value for key, (value, usual) in graph.items() if value != usual}
    named = dict[str, Any](kind=index.kind)
    if index.distance != "cosine":
        named["distance"] = index.distance
    named |= other
    search = f"k={k}, recall={recall:g}"
    in_python = "".join(f", {key}={value!r}" for key, value in named.items())
    schema = f", schema={index.schema!r}" if index.schema else ""
    attribute, renamed = _attribute(index.column)
    kind = table.full_type.upper()
    first = Commands("", "", "", "")
    if rotate is not None:
        command = rotation.in_shell(rotate, _where(rotate))
        first = Commands(
            f"{command}\n",
            # only a client multiplies by a matrix in reasonable time
            f"-- first, in a shell: {command}\n",
            f"{rotation.in_python(rotate)}\n",
            f"# first, in a shell: {command}\n",
        )
    return Commands(
        shell=first.shell + _in_shell(index, other, k, recall, origin),
        sql=first.sql + _in_sql(index, table, named, k, recall, origin),
        python=first.python
        + f"index = MatryoshkaIndex({index.table!r}, {index.column!r}, "
        f"dims={index.dims}{in_python}{schema})\n"
        "index.create(conn)\n"
        f"index.calibrate(conn, k={k}{origin.in_python})\n"
        f"index.search(conn, query, {search})",
        sqlalchemy=first.sqlalchemy
        + f"{attribute} = mapped_column({renamed}{kind}({table.full_dims}), "
        f"Matryoshka({index.dims}{in_python}))\n"
        "# then: alembic revision --autogenerate, alembic upgrade head, and calibrate\n"
        f"search(select(Doc), Doc.{attribute}, query, {search})",
    )


def _in_shell(
    index: MatryoshkaIndex,
    other: Mapping[str, int],
    k: int,
    recall: float,
    origin: QueryOrigin,
) -> str:
    where = _where(index)
    what = ["--dims", f"{index.dims}", "--kind", index.kind]
    if index.distance != "cosine":
        what += ["--distance", index.distance]
    graph = []
    for key, value in other.items():
        graph += [f"--{key.replace('_', '-')}", f"{value}"]
    how = ["-k", f"{k}", "--recall", f"{recall:g}", "--query", "query.npy"]
    lines = []
    for command in (
        ["create", *what, *graph],
        ["calibrate", *what, "-k", f"{k}", *origin.in_shell],
        ["search", *what, *how],
    ):
        verb, *options = command
        if any(name.startswith("-") for name in where):
            # behind `--`, names that begin with a hyphen are not read as options
            words = [verb, *options, "--", *where]
        else:
            words = [verb, *where, *options]
        lines.append(shlex.join(["mrl-pg", *words]))
    return "\n".join(lines)


def _where(layout: IndexLayout) -> list[str]:
    """The table and the column as arguments of `mrl-pg`."""
    names = [name for name in (layout.schema, layout.table) if name]
    return [".".join(map(_as_argument, names)), layout.column]


def _as_argument(name: str) -> str:
    """A part of a table's name as `mrl-pg` reads it, in quotes if necessary."""
    if not set('."') & set(name):
        return name
    doubled = name.replace('"', '""')
    return f'"{doubled}"'


def _attribute(column: str) -> tuple[str, str]:
    """A model's attribute for a column, and the column's name if that is different."""
    # Python reads names in this form, which takes ligatures apart
    name = unicodedata.normalize("NFKC", column)
    name = "".join(c if f"a{c}".isidentifier() else "_" for c in name)
    # Python changes a name that begins with two underscores, inside a class
    name = name.lstrip("_") if name.startswith("__") else name
    if not name.isidentifier():
        name = f"column_{name}".rstrip("_")
    if keyword.iskeyword(name) or name in TAKEN:
        name += "_"
    return name, "" if name == column else f"{column!r}, "


def _in_sql(
    index: MatryoshkaIndex,
    table: TableFacts,
    named: Mapping[str, Any],
    k: int,
    recall: float,
    origin: QueryOrigin,
) -> str:
    options = [
        sql.SQL(", {} => {}").format(sql.SQL(key), sql.Literal(value))
        for key, value in named.items()
    ]
    text = slots.statement(
        "recommended",
        table=sql.Literal(table.name),
        # the server has quoted this name already
        name=sql.SQL(table.name),
        column=sql.Literal(index.column),
        dims=sql.Literal(index.dims),
        options=sql.Composed(options),
        k=sql.Literal(k),
        recall=sql.Literal(recall),
        index_name=sql.Literal(index.name),
        queries=origin.in_sql(table.name, index.column),
    )
    return f"{text.as_string(None)};"
