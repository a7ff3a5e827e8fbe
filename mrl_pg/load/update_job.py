"""Decides how an update by key is sent, from the catalog and the first block."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from psycopg import postgres, sql

from mrl_pg.arguments import shown
from mrl_pg.catalog.facts import NOT_TABLES, check_pgvector
from mrl_pg.catalog.slots import comma, home, name, statement
from mrl_pg.errors import (
    ColumnNotFound,
    InvalidFile,
    InvalidSetting,
    NoPrimaryKey,
    NotAVectorColumn,
    TableNotFound,
)
from mrl_pg.load.advice import where_vectors_are
from mrl_pg.load.block import Block, refuse
from mrl_pg.load.columns import (
    ServerFacts,
    definition,
    known_column,
    vector_dims,
    zone_notes,
)
from mrl_pg.load.destination import Destination
from mrl_pg.load.pack import VECTOR_WIRE, Column, Packer, in_order
from mrl_pg.load.target import check_dims
from mrl_pg.load.values import FIXED, fixed, listed
from mrl_pg.load.varying import encoded


@dataclass(frozen=True, slots=True)
class UniqueKey:
    """Columns that find one row, and schema and name of what compares each."""

    names: tuple[str, ...]
    operators: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class UpdateJob:
    """The statements of an update; `addition` adds the column, if it is missing."""

    destination: Destination
    keys: tuple[Column, ...]
    vectors: Column
    packer: Packer
    statement: sql.Composed
    addition: sql.Composed | None
    where: str
    notes: tuple[str, ...]

    def named(self, block: Block, place: int) -> str:
        """A row for the report: its number in the file, and its key."""
        values = (listed(block[key.name][place : place + 1])[0] for key in self.keys)
        pairs = zip(self.keys, values, strict=True)
        key = ", ".join(f"{column.name} {shown(value)}" for column, value in pairs)
        return f"row {block.number(place)}: {key}"

    def check(self, block: Block) -> NDArray[np.int64]:
        """Hashes of the keys of a block; raises InvalidFile naming the bad rows."""
        self.packer.pack(block)
        bad: dict[int, str] = {}
        for key in self.keys:
            given = listed(block[key.name]) if key.name in block.names else None
            for place in range(len(block)):
                if given is None or given[place] is None:
                    bad.setdefault(place, f"key {key.name!r} has no value")
        if bad:
            raise refuse(self.destination.origin, block, bad, "updated")
        parts = [self._bytes(key, block) for key in self.keys]
        hashes = map(hash, zip(*parts, strict=True))
        return np.fromiter(hashes, np.int64, len(block))

    def _bytes(self, key: Column, block: Block) -> Sequence[bytes | None]:
        values, ignored = block[key.name], dict[int, str]()
        if key.type not in FIXED:
            encoding = self.packer.encoding
            return encoded(values, key.type, block.form, encoding, ignored)
        wire = FIXED[key.type].wire
        data = np.ascontiguousarray(fixed(values, key.type, ignored).data.astype(wire))
        flat, size = data.tobytes(), wire.itemsize
        return [flat[at : at + size] for at in range(0, len(flat), size)]


def check_table(
    destination: Destination,
    facts: ServerFacts,
    key: Sequence[str],
    add_column: bool,
) -> None:
    """Raise an error if the table cannot be updated, before the file is read."""
    check_pgvector(facts.extension.get("pgvector_version"))
    if not facts.rows:
        raise TableNotFound(
            f"table {destination.table!r} is not there: an update by key needs a "
            "table with rows; to make it, load without update (--update)"
        )
    kind = facts.rows[0]["relation_kind"]
    where = f"{facts.rows[0]['schema']}.{destination.table}"
    if kind in NOT_TABLES:
        raise TableNotFound(
            f"{where!r} is a {NOT_TABLES[kind]}: give the name of a table"
        )
    known = facts.columns
    for column in key:
        if column not in known:
            raise ColumnNotFound(
                f"table {where!r} has no column {column!r} for key= (--key); it has: "
                f"{', '.join(known)}"
            )
    row = known.get(destination.column)
    if row is None and not add_column:
        raise ColumnNotFound(
            f"table {where!r} has no column {destination.column!r}; it has: "
            f"{', '.join(known)}: add it with add_column=True (--add-column), or name "
            "another with column= (COLUMN)"
        )
    if row is not None and (row["type"] not in VECTOR_WIRE or row["generated"]):
        raise NotAVectorColumn(
            f"column {where + '.' + destination.column!r} is {row['declared']}"
            f"{' and generated' if row['generated'] else ''}: "
            "vectors go into a plain column of type vector(n) or halfvec(n)"
        )


def chosen_key(
    where: str, key: Sequence[str], rows: Sequence[Mapping[str, Any]]
) -> UniqueKey:
    """The unique index on the columns `key`, or the primary key if there are none."""
    unique = [
        (row["is_primary"], UniqueKey(tuple(row["names"]), tuple(row["operators"])))
        for row in rows
        if len(row["names"]) == len(row["operators"])
    ]
    for is_primary, candidate in unique:
        if set(candidate.names) == set(key) if key else is_primary:
            return candidate
    names = "; ".join(", ".join(candidate.names) for _, candidate in unique)
    if not key:
        raise NoPrimaryKey(
            f"table {where!r} has no primary key: name the columns of a unique index "
            f"with key= (--key); there are: {names or 'none'}"
        )
    raise InvalidSetting(
        f"key={','.join(key)!r}: table {where!r} has no unique index on exactly these "
        f"columns, so they may find several rows, or read the whole table; unique are: "
        f"{names or 'none'}"
    )


def decide_update(
    destination: Destination,
    key: UniqueKey,
    first: Block,
    facts: ServerFacts,
    only_missing: bool,
) -> UpdateJob:
    """The job for a file that starts with `first`; raises InvalidFile."""
    origin = destination.origin
    if first.bad:
        raise refuse(origin, first, first.bad, "updated")
    there = f"there are: {', '.join(filter(None, first.names))}"
    if destination.column not in first.names:
        raise InvalidFile(
            f"{origin} has no column {destination.column!r} for the vectors; {there}: "
            f"{where_vectors_are(first)}"
        )
    for column in key.names:
        if column not in first.names:
            raise InvalidFile(
                f"{origin} has no column {column!r}, which is in the key of the table; "
                f"{there}: rename it in the file, or name another key with key= (--key)"
            )
    known, schema = facts.columns, facts.extension["extension_schema"]
    row = known.get(destination.column)
    if row is None:
        dims = vector_dims(destination, first, destination.column)
        check_dims(destination, dims)
        vectors = Column(destination.column, destination.kind, dims)
    else:
        vectors = known_column(destination, first, facts, row)
    keys = tuple(known_column(destination, first, facts, known[n]) for n in key.names)
    table = name(facts.rows[0]["schema"], destination.table)
    columns = in_order((vectors, *keys))
    packer = Packer(
        origin,
        columns,
        destination.column,
        facts.encoding,
        {c.carrier: _type_id(c.carrier, facts) for c in columns},
    )
    inner = {c.name: f"mrl_key_{i}" for i, c in enumerate(keys)}
    inner[vectors.name] = "mrl_vector"
    if only_missing:
        differs = statement("row_vector_missing", column=name(destination.column))
    else:
        differs = statement(
            "row_vector_differs",
            column=name(destination.column),
            extension=home(schema),
        )
    update = statement(
        "update_rows",
        table=table,
        column=name(destination.column),
        arrays=comma(_array(column, schema) for column in columns),
        names=comma(sql.Identifier(inner[column.name]) for column in columns),
        casts=comma(_cast(inner[column.name], column, schema) for column in columns),
        same_key=sql.SQL(" and ").join(_same(key, inner)),
        differs=differs,
        seconds=sql.SQL("%s::pg_catalog.float8"),
    )
    added = statement(
        "add_vector_column",
        table=sql.Identifier(facts.rows[0]["schema"], destination.table),
        column=definition(vectors, schema),
    )
    return UpdateJob(
        destination,
        keys,
        vectors,
        packer,
        update,
        None if row is not None else added,
        f"{facts.rows[0]['schema']}.{destination.table}",
        zone_notes(keys, facts),
    )


def _type_id(carrier: str, facts: ServerFacts) -> int:
    if carrier in VECTOR_WIRE:
        return facts.vector_ids[carrier]
    return postgres.types[carrier].oid


def _type(kind: str, schema: str) -> sql.Identifier:
    return sql.Identifier(schema if kind in VECTOR_WIRE else "pg_catalog", kind)


def _array(column: Column, schema: str) -> sql.Composed:
    carrier = _type(column.carrier, schema)
    return sql.SQL("pg_catalog.unnest(%b::{}[])").format(carrier)


def _cast(inner: str, column: Column, schema: str) -> sql.Composed:
    kind = name(*column.cast) if column.cast else _type(column.carrier, schema)
    slots = {"name": sql.Identifier(inner), "type": kind}
    return sql.SQL("mrl_given.{name}::{type} as {name}").format(**slots)


def _same(key: UniqueKey, inner: Mapping[str, str]) -> Iterator[sql.Composed]:
    for column, (schema, operator) in zip(key.names, key.operators, strict=True):
        yield sql.SQL("mrl_row.{} operator({}.{}) mrl_file.{}").format(
            name(column),
            name(schema),
            sql.SQL(operator.replace("%", "%%")),
            sql.Identifier(inner[column]),
        )
