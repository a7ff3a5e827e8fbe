"""Keys that a caller gives, as parameters of a statement, and the SQL around them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from psycopg import sql

from mrl_pg.arguments import shown
from mrl_pg.catalog.slots import comma
from mrl_pg.errors import InvalidSetting
from mrl_pg.exchange.arrays import Array
from mrl_pg.load.block import Block
from mrl_pg.load.by_key import array, cast, same_key, type_ids, without_key
from mrl_pg.load.pack import Column, Packer, in_order
from mrl_pg.rows.facts import RowFacts


@dataclass(frozen=True, slots=True)
class Sent:
    """Columns in the order in which they are sent, and their names in a statement."""

    columns: tuple[Column, ...]
    inner: Mapping[str, str]
    packer: Packer

    def slots(self, facts: RowFacts) -> dict[str, sql.Composable]:
        """The slots that make rows of the parameters."""
        schema = facts.extension_schema
        pairs = [(self.inner[column.name], column) for column in self.columns]
        return {
            "arrays": comma(array(column, schema) for _, column in pairs),
            "names": comma(sql.Identifier(inner) for inner, _ in pairs),
            "casts": comma(cast(inner, column, schema) for inner, column in pairs),
        }

    def same_key(self, facts: RowFacts) -> sql.Composed:
        """Whether a row of the table has the key of a row that is sent."""
        return same_key(facts.key, self.inner)


def sent(facts: RowFacts, block: Block, names: Sequence[str], origin: str) -> Sent:
    """How the named columns of a block are sent."""
    columns = in_order(tuple(facts.column(block, name) for name in names))
    packer = Packer(
        origin,
        columns,
        facts.searched.column,
        facts.server.encoding,
        type_ids(columns, facts.server),
        done="written",
    )
    inner = {column.name: f"mrl_{i}" for i, column in enumerate(columns, start=1)}
    return Sent(columns, inner, packer)


@dataclass(frozen=True, slots=True)
class GivenKeys:
    """Keys in the order of the caller; `slots` and `params` of a statement by key."""

    count: int
    slots: dict[str, sql.Composable]
    params: list[Array]


def given_keys(facts: RowFacts, keys: object) -> GivenKeys:
    """The caller's keys; raises InvalidSetting naming a key that cannot be one."""
    block = _block(facts, keys)
    by_key = sent(facts, block, facts.key.names, "keys")
    bad: dict[int, str] = {}
    packed = by_key.packer.checked(block, bad)
    bad = bad or without_key(by_key.columns, block)
    if packed is None or bad:
        place = min(bad)
        raise InvalidSetting(f"keys: key {place} (counted from 0): {bad[place]}")
    slots = by_key.slots(facts) | {"same_key": by_key.same_key(facts)}
    return GivenKeys(len(block), slots, [Array(data) for data in packed.arrays])


def _block(facts: RowFacts, keys: object) -> Block:
    names = facts.key.names
    refused = isinstance(keys, (str, bytes, bytearray, Mapping))
    if refused or not isinstance(keys, Iterable):
        raise InvalidSetting(f"keys={shown(keys)} are not keys: give a list of keys")
    if len(names) == 1:
        one_axis = isinstance(keys, np.ndarray) and keys.ndim == 1
        return Block(names, (keys if one_axis else list(keys),))  # type: ignore[arg-type]
    rows = [*keys]
    for place, row in enumerate(rows):
        parts: Any = row if isinstance(row, (tuple, list, np.ndarray)) else ()
        if len(parts) != len(names):
            raise InvalidSetting(
                f"keys: key {place} (counted from 0) is {shown(row)}: the key of "
                f"{facts.where} has {len(names)} columns, so give a tuple of "
                f"{', '.join(names)}"
            )
    columns = tuple([row[i] for row in rows] for i in range(len(names)))
    return Block(names, columns)
