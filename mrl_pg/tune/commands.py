"""The commands that make an index and search it, by every door."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from psycopg import sql

from mrl_pg import render
from mrl_pg.index import MatryoshkaIndex
from mrl_pg.tune.table import TableFacts


@dataclass(frozen=True, slots=True)
class Commands:
    """What to run, by each door; `shell` is the command line."""

    shell: str
    sql: str
    python: str
    sqlalchemy: str


def commands(
    index: MatryoshkaIndex, table: TableFacts, k: int, candidates: int, ef_search: int
) -> Commands:
    """The same index and search by each door."""
    name = f"{index.schema}.{index.table}" if index.schema else index.table
    what = (
        f"{_word(name)} {_word(index.column)} --dims {index.dims} --kind {index.kind}"
    )
    graph = {"m": (index.m, 16), "ef_construction": (index.ef_construction, 64)}
    other = {key: value for key, (value, usual) in graph.items() if value != usual}
    named = dict[str, Any](kind=index.kind)
    if index.distance != "cosine":
        named["distance"] = index.distance
    named |= other
    options = "".join(
        f" --{key.replace('_', '-')} {value}"
        for key, value in named.items()
        if key != "kind"
    )
    search = f"--candidates {candidates} --ef-search {ef_search} -k {k}"
    in_python = "".join(f", {key}={value!r}" for key, value in named.items())
    schema = f", schema={index.schema!r}" if index.schema else ""
    kind = table.full_type.upper()
    return Commands(
        shell=f"mrl-pg create {what}{options}\n"
        f"mrl-pg search {what} {search} --query query.npy",
        sql=_in_sql(index, table, named, k, candidates, ef_search),
        python=f"index = MatryoshkaIndex({index.table!r}, {index.column!r}, "
        f"dims={index.dims}{in_python}{schema})\n"
        "index.create(conn)\n"
        f"index.search(conn, query, k={k}, candidates={candidates}, "
        f"ef_search={ef_search})",
        sqlalchemy=f"{index.column} = mapped_column({kind}({table.full_dims}), "
        f"Matryoshka({index.dims}{in_python}))\n"
        "# then: alembic revision --autogenerate, alembic upgrade head\n"
        f"search(select(Doc), Doc.{index.column}, query, k={k}, "
        f"candidates={candidates}, ef_search={ef_search})",
    )


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
    text = render.statement(
        "recommended",
        table=sql.Literal(table.name),
        # quoted by the server already
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


def _word(text: str) -> str:
    return text if text.replace("_", "").replace(".", "").isalnum() else f"'{text}'"
