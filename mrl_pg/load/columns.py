"""The columns of a table that a file's columns go into: known ones, and new ones."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from psycopg import sql

from mrl_pg.errors import InvalidFile
from mrl_pg.load import infer
from mrl_pg.load.block import Block, refuse
from mrl_pg.load.destination import Wanted
from mrl_pg.load.matrix import length, matrix
from mrl_pg.load.pack import VECTOR_WIRE, Column
from mrl_pg.load.values import FIXED, zones
from mrl_pg.load.varying import READ_AS_ARRAY, READ_BY_SERVER, VARYING


@dataclass(frozen=True, slots=True)
class Place:
    """What the server says about where rows go; `rows` as `columns_of` gives them."""

    extension: Mapping[str, Any]
    rows: Sequence[Mapping[str, Any]]
    vector_ids: Mapping[str, int]
    encoding: str
    time_zone: str

    @property
    def created(self) -> bool:
        """Whether the table has to be made."""
        return not self.rows

    @property
    def columns(self) -> dict[str, Mapping[str, Any]]:
        """What is known about each column of a table that exists."""
        return {row["name"]: row for row in self.rows if row["name"] is not None}


def inferred_columns(
    wanted: Wanted, block: Block, names: Sequence[str]
) -> list[Column]:
    """Columns of a new table for those of a block that have a value."""
    try:
        columns = [infer.column(name, block) for name in names]
    except InvalidFile as error:
        raise InvalidFile(f"{wanted.origin}: {error}") from error
    return [column for column in columns if column is not None]


def known_column(
    wanted: Wanted, block: Block, place: Place, row: Mapping[str, Any]
) -> Column:
    """How values of a block get into a column that exists; `row` describes it."""
    name, kind = row["name"], row["type"]
    if kind in VECTOR_WIRE:
        return Column(name, kind, row["modifier"] or vector_dims(wanted, block, name))
    # what a time without a zone means depends on the session: the server knows
    local = kind == "timestamptz" and False in zones(block[name])
    if (kind in FIXED or kind in VARYING) and not local:
        return Column(name, kind)
    how = READ_AS_ARRAY if row["is_array"] else READ_BY_SERVER
    return Column(name, how, cast=(row["type_schema"], row["type_name"]))


def zone_notes(columns: Sequence[Column], place: Place) -> tuple[str, ...]:
    """Of which columns times have no zone and get the session's."""
    return tuple(
        f"{column.name}: times without a zone were taken as {place.time_zone}, the "
        "session's time zone"
        for column in columns
        if column.cast == ("pg_catalog", "timestamptz")
    )


def add_or_leave(*names: str) -> str:
    """What to do about columns of the file that the table lacks."""
    option = ",".join(names)
    return (
        f"add it to the table, or leave it out with skip= (--skip {option})"
        if len(names) == 1
        else f"add them to the table, or leave them out with skip= (--skip {option})"
    )


def definition(column: Column, extension_schema: str) -> sql.Composed:
    """A new column as `create table` and `alter table` take it."""
    name = sql.Identifier(column.name)
    if column.dims is None:
        schema, kind = column.cast or ("pg_catalog", column.type)
        return sql.SQL("{} {}").format(name, sql.Identifier(schema, kind))
    vectors = sql.Identifier(extension_schema, column.type)
    return sql.SQL("{} {}({})").format(name, vectors, sql.Literal(column.dims))


def vector_dims(wanted: Wanted, block: Block, name: str) -> int:
    """Length of the vectors in a block; raises InvalidFile when all are NULL."""
    found = length(block[name])
    if found is None:
        bad: dict[int, str] = {}
        matrix(block[name], 1, False, bad)
        if bad:
            raise refuse(wanted.origin, block, bad)
        raise InvalidFile(
            f"{wanted.origin}: no vector in column {name!r} of the first {len(block)} "
            "rows, so its length is unknown: make the table first, with vector(n)"
        )
    return found
