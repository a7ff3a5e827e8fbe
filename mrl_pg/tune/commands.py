"""The commands that make an index and search it, by every door."""

from dataclasses import dataclass
from typing import Any

from psycopg import sql

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
    in_sql = "".join(
        f", {key} => {sql.Literal(value).as_string(None)}"
        for key, value in named.items()
    )
    in_python = "".join(f", {key}={value!r}" for key, value in named.items())
    schema = f", schema={index.schema!r}" if index.schema else ""
    table_name = sql.Literal(table.name).as_string(None)
    column = sql.Literal(index.column).as_string(None)
    kind = table.full_type.upper()
    return Commands(
        shell=f"mrl-pg create {what}{options}\n"
        f"mrl-pg search {what} {search} --query query.npy",
        sql=f"select mrl.create_index({table_name}, {column}, dims => {index.dims}"
        f"{in_sql});\n"
        f"select * from mrl.search(null::{table.name}, {column}, $1, k => {k}, "
        f"candidates => {candidates}, ef_search => {ef_search}, "
        f"index_name => {sql.Literal(index.name).as_string(None)});",
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


def _word(text: str) -> str:
    return text if text.replace("_", "").replace(".", "").isalnum() else f"'{text}'"
