"""The commands of each interface that make an index and search it."""

import keyword
import shlex
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from psycopg import sql

from mrl_pg.catalog import slots
from mrl_pg.index import MatryoshkaIndex
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


def commands(
    index: MatryoshkaIndex, table: TableFacts, k: int, candidates: int, ef_search: int
) -> Commands:
    """The commands for one index and search, in each interface."""
    graph = {"m": (index.m, 16), "ef_construction": (index.ef_construction, 64)}
    other = {key: value for key, (value, usual) in graph.items() if value != usual}
    named = dict[str, Any](kind=index.kind)
    if index.distance != "cosine":
        named["distance"] = index.distance
    named |= other
    search = f"candidates={candidates}, ef_search={ef_search}"
    in_python = "".join(f", {key}={value!r}" for key, value in named.items())
    schema = f", schema={index.schema!r}" if index.schema else ""
    attribute, renamed = _attribute(index.column)
    kind = table.full_type.upper()
    return Commands(
        shell=_in_shell(index, other, k, candidates, ef_search),
        sql=_in_sql(index, table, named, k, candidates, ef_search),
        python=f"index = MatryoshkaIndex({index.table!r}, {index.column!r}, "
        f"dims={index.dims}{in_python}{schema})\n"
        "index.create(conn)\n"
        f"index.search(conn, query, k={k}, {search})",
        sqlalchemy=f"{attribute} = mapped_column({renamed}{kind}({table.full_dims}), "
        f"Matryoshka({index.dims}{in_python}))\n"
        "# then: alembic revision --autogenerate, alembic upgrade head\n"
        f"search(select(Doc), Doc.{attribute}, query, k={k}, {search})",
    )


def _in_shell(
    index: MatryoshkaIndex,
    other: Mapping[str, int],
    k: int,
    candidates: int,
    ef_search: int,
) -> str:
    names = [name for name in (index.schema, index.table) if name]
    where = [".".join(map(_as_argument, names)), index.column]
    what = ["--dims", f"{index.dims}", "--kind", index.kind]
    if index.distance != "cosine":
        what += ["--distance", index.distance]
    graph = []
    for key, value in other.items():
        graph += [f"--{key.replace('_', '-')}", f"{value}"]
    how = ["--candidates", f"{candidates}", "--ef-search", f"{ef_search}"]
    how += ["-k", f"{k}", "--query", "query.npy"]
    lines = []
    for command in (["create", *what, *graph], ["search", *what, *how]):
        verb, *options = command
        if any(name.startswith("-") for name in where):
            # behind `--`, names that begin with a hyphen are not read as options
            words = [verb, *options, "--", *where]
        else:
            words = [verb, *where, *options]
        lines.append(shlex.join(["mrl-pg", *words]))
    return "\n".join(lines)


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
    candidates: int,
    ef_search: int,
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
        candidates=sql.Literal(candidates),
        ef_search=sql.Literal(ef_search),
        index_name=sql.Literal(index.name),
    )
    return f"{text.as_string(None)};"
