"""What a load will do to the database, decided from the catalog and the first block."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from psycopg import sql

from mrl_pg.errors import (
    InvalidFile,
    InvalidSetting,
    NotAVectorColumn,
    TableNotFound,
)
from mrl_pg.facts import NOT_TABLES, check_pgvector
from mrl_pg.load import infer
from mrl_pg.load.block import Block, refuse
from mrl_pg.load.matrix import length
from mrl_pg.load.pack import SUPPORTED, VECTOR_WIRE, Column, Packer, in_order
from mrl_pg.load.wanted import MAX_DIMS, PLAIN_LIMIT, Wanted
from mrl_pg.render import comma, statement

VALUE_BYTES = {"vector": 4, "halfvec": 2}


@dataclass(frozen=True, slots=True)
class Job:
    """Statements that come first, the COPY itself, and how its blocks are packed."""

    setup: tuple[sql.Composed, ...]
    copy: sql.Composed
    packer: Packer
    dims: int
    created: bool


def decide(
    wanted: Wanted,
    first: Block,
    extension: Mapping[str, Any],
    rows: Sequence[Mapping[str, Any]],
    encoding: str,
) -> Job:
    """The job for a file that starts with `first`; `rows` as `columns_of` gives them.

    Raises PgvectorMissing, TableNotFound, NotAVectorColumn, InvalidSetting, or
    InvalidFile when columns of the file do not go into the table.
    """
    check_pgvector(extension.get("pgvector_version"))
    if first.bad:
        raise refuse(wanted.origin, first, first.bad)
    if wanted.column not in first.names:
        raise InvalidFile(
            f"{wanted.origin} has no column {wanted.column!r} for the vectors; there "
            f"are: {', '.join(first.names)}: name one with column="
        )
    if rows:
        return _append(wanted, first, rows, encoding)
    return _create(wanted, first, extension["extension_schema"], encoding)


def _create(wanted: Wanted, first: Block, extension_schema: str, encoding: str) -> Job:
    dims = _dims(wanted, first, wanted.column)
    _check_dims(wanted, dims)
    vectors = Column(wanted.column, wanted.kind, dims)
    columns = tuple(
        vectors if name == wanted.column else infer.column(name, first)
        for name in sorted(first.names, key=lambda name: name != wanted.key)
    )
    for column in columns:
        wanted.check_name("column", column.name)
    table = wanted.identifier()
    definitions = [_definition(column, extension_schema) for column in columns]
    if wanted.key not in first.names:
        key = statement("identity_column", name=sql.Identifier(wanted.key))
        definitions.insert(0, key)
    setup = [
        statement(
            "create_table",
            table=table,
            columns=comma(definitions),
            key=sql.Identifier(wanted.key),
        )
    ]
    if wanted.storage is not None:
        # a statement of its own: before PostgreSQL 16 it is no part of create table
        setup.append(
            statement(
                "set_storage",
                table=table,
                column=sql.Identifier(wanted.column),
                storage=sql.Identifier(wanted.storage),
            )
        )
    return _job(wanted, tuple(setup), table, columns, (), encoding)


def _append(
    wanted: Wanted, first: Block, rows: Sequence[Mapping[str, Any]], encoding: str
) -> Job:
    where = f"{rows[0]['schema']}.{wanted.table}"
    if rows[0]["relation_kind"] in NOT_TABLES:
        raise TableNotFound(
            f"{where!r} is a {NOT_TABLES[rows[0]['relation_kind']]}: "
            "name a table to load into"
        )
    if wanted.storage is not None:
        raise InvalidSetting(
            f"storage={wanted.storage!r} is for a new table and {where!r} exists: "
            "leave it out, or alter table … alter column … set storage first"
        )
    known = {row["name"]: row for row in rows if row["name"] is not None}
    missing = [name for name in first.names if name not in known]
    if missing:
        raise InvalidFile(
            f"table {where!r} has no column {', '.join(map(repr, missing))} of "
            f"{wanted.origin}; it has: {', '.join(known)}: add them to the table or "
            "take them out of the file"
        )
    skipped = tuple(name for name in first.names if known[name]["generated"])
    if known[wanted.column]["type"] not in VECTOR_WIRE or wanted.column in skipped:
        raise NotAVectorColumn(
            f"column {where + '.' + wanted.column!r} is "
            f"{known[wanted.column]['declared']}{' and generated' if skipped else ''}: "
            "vectors go into a plain column of type vector(n) or halfvec(n)"
        )
    columns = tuple(
        _known_column(wanted, first, where, known[name])
        for name in first.names
        if name not in skipped
    )
    table = sql.Identifier(rows[0]["schema"], wanted.table)
    return _job(wanted, (), table, columns, skipped, encoding)


def _known_column(
    wanted: Wanted, first: Block, where: str, row: Mapping[str, Any]
) -> Column:
    name, kind = row["name"], row["type"]
    if kind not in SUPPORTED:
        raise InvalidFile(
            f"column {where + '.' + name!r} is of type {row['declared']}, which load "
            f"does not write; it does: {', '.join(SUPPORTED)}"
        )
    if kind not in VECTOR_WIRE:
        return Column(name, kind)
    return Column(name, kind, row["modifier"] or _dims(wanted, first, name))


def _job(
    wanted: Wanted,
    setup: tuple[sql.Composed, ...],
    table: sql.Identifier,
    columns: tuple[Column, ...],
    skipped: tuple[str, ...],
    encoding: str,
) -> Job:
    columns = in_order(columns)
    names = comma(sql.Identifier(column.name) for column in columns)
    # SQL_ASCII takes bytes as they are: send what everyone else sends
    codec = "utf-8" if encoding == "ascii" else encoding
    dims = next(c.dims for c in columns if c.name == wanted.column)
    return Job(
        setup=setup,
        copy=statement("copy_from", table=table, columns=names),
        packer=Packer(wanted.origin, columns, wanted.column, codec, skipped),
        dims=dims or 0,
        created=bool(setup),
    )


def _definition(column: Column, extension_schema: str) -> sql.Composed:
    name = sql.Identifier(column.name)
    if column.dims is None:
        kind = sql.Identifier("pg_catalog", column.type)
        return sql.SQL("{} {}").format(name, kind)
    kind = sql.Identifier(extension_schema, column.type)
    return sql.SQL("{} {}({})").format(name, kind, sql.Literal(column.dims))


def _dims(wanted: Wanted, first: Block, name: str) -> int:
    found = length(first[name])
    if found is None:
        raise InvalidFile(
            f"{wanted.origin}: no vector in column {name!r} of the first {len(first)} "
            "rows, so its length is unknown: make the table first, with vector(n)"
        )
    return found


def _check_dims(wanted: Wanted, dims: int) -> None:
    if not 1 <= dims <= MAX_DIMS:
        raise InvalidFile(
            f"{wanted.origin}: vectors of {dims} numbers; pgvector stores 1 to "
            f"{MAX_DIMS}: check that column {wanted.column!r} holds embeddings"
        )
    size = VALUE_BYTES[wanted.kind] * dims + 8
    if wanted.storage == "plain" and size > PLAIN_LIMIT:
        raise InvalidSetting(
            f"storage='plain' keeps a value in its row: {wanted.kind}({dims}) takes "
            f"{size} bytes, and {PLAIN_LIMIT} fit in a page: use storage='external', "
            "or kind='halfvec' if that fits"
        )
