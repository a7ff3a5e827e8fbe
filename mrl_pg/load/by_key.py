"""The key that finds a row: its columns, its values, and the SQL that compares them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from psycopg import postgres, sql

from mrl_pg.catalog.slots import name
from mrl_pg.errors import InvalidSetting, NoPrimaryKey
from mrl_pg.load.block import Block, shown
from mrl_pg.load.columns import ServerFacts
from mrl_pg.load.pack import VECTOR_WIRE, Column
from mrl_pg.load.values import FIXED, fixed, listed
from mrl_pg.load.varying import encoded


@dataclass(frozen=True, slots=True)
class UniqueKey:
    """Columns that find one row, and schema and name of what compares each."""

    names: tuple[str, ...]
    operators: tuple[tuple[str, str], ...]


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


def key_of_row(keys: Sequence[Column], block: Block, place: int) -> str:
    """The key of a row of a block, for a message: `id 7`."""
    pairs = zip(keys, key_values(keys, block, place), strict=True)
    return ", ".join(f"{column.name} {shown(value)}" for column, value in pairs)


def key_values(keys: Sequence[Column], block: Block, place: int) -> tuple[Any, ...]:
    """The values of the key of a row of a block."""
    return tuple(listed(block[key.name][place : place + 1])[0] for key in keys)


def without_key(keys: Sequence[Column], block: Block) -> dict[int, str]:
    """Why rows have no key, by their place in the block."""
    bad: dict[int, str] = {}
    for key in keys:
        given = listed(block[key.name]) if key.name in block.names else None
        for place in range(len(block)):
            if given is None or given[place] is None:
                bad.setdefault(place, f"key {key.name!r} has no value")
    return bad


def key_hashes(
    keys: Sequence[Column], block: Block, encoding: str
) -> NDArray[np.int64]:
    """A hash of each row's key, as it is sent; every key must have been checked."""
    parts = [_bytes(key, block, encoding) for key in keys]
    hashes = map(hash, zip(*parts, strict=True))
    return np.fromiter(hashes, np.int64, len(block))


def _bytes(key: Column, block: Block, encoding: str) -> Sequence[bytes | None]:
    values, ignored = block[key.name], dict[int, str]()
    if key.type not in FIXED:
        return encoded(values, key.type, block.form, encoding, ignored)
    wire = FIXED[key.type].wire
    data = np.ascontiguousarray(fixed(values, key.type, ignored).data.astype(wire))
    flat, size = data.tobytes(), wire.itemsize
    return [flat[at : at + size] for at in range(0, len(flat), size)]


def type_ids(columns: Sequence[Column], facts: ServerFacts) -> dict[str, int]:
    """The number of each type in which values of the columns are sent."""
    return {column.carrier: _type_id(column.carrier, facts) for column in columns}


def _type_id(carrier: str, facts: ServerFacts) -> int:
    if carrier in VECTOR_WIRE:
        return facts.vector_ids[carrier]
    return postgres.types[carrier].oid


def _type(kind: str, schema: str) -> sql.Identifier:
    return sql.Identifier(schema if kind in VECTOR_WIRE else "pg_catalog", kind)


def array(column: Column, schema: str) -> sql.Composed:
    """The values of a column from a parameter; `schema` is pgvector's."""
    carrier = _type(column.carrier, schema)
    return sql.SQL("pg_catalog.unnest(%b::{}[])").format(carrier)


def cast(inner: str, column: Column, schema: str) -> sql.Composed:
    """A value of `array`, cast to the type of the column and called `inner`."""
    kind = name(*column.cast) if column.cast else _type(column.carrier, schema)
    slots = {"name": sql.Identifier(inner), "type": kind}
    return sql.SQL("mrl_given.{name}::{type} as {name}").format(**slots)


def same_key(key: UniqueKey, inner: Mapping[str, str]) -> sql.Composed:
    """Whether a row `mrl_row` of the table has the key of a row `mrl_file`.

    `inner` has the names of the given columns.
    """
    return sql.SQL(" and ").join(
        sql.SQL("mrl_row.{} operator({}.{}) mrl_file.{}").format(
            name(column),
            name(schema),
            sql.SQL(operator.replace("%", "%%")),
            sql.Identifier(inner[column]),
        )
        for column, (schema, operator) in zip(key.names, key.operators, strict=True)
    )
