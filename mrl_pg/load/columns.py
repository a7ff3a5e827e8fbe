"""The table columns that receive a file's columns: existing columns and new columns."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from psycopg import sql

from mrl_pg.errors import InvalidFile
from mrl_pg.load import infer
from mrl_pg.load.block import Block, refuse
from mrl_pg.load.destination import Destination
from mrl_pg.load.matrix import length, matrix
from mrl_pg.load.pack import VECTOR_WIRE, Column
from mrl_pg.load.values import FIXED, zones
from mrl_pg.load.varying import READ_AS_ARRAY, READ_BY_SERVER, VARYING
from mrl_pg.rotation import Rotation


@dataclass(frozen=True, slots=True)
class ServerFacts:
    """What the server says about the table; `rows` are what `columns_of` returns.

    `rotations` are those of rotated columns, by name.
    """

    extension: Mapping[str, Any]
    rows: Sequence[Mapping[str, Any]]
    vector_ids: Mapping[str, int]
    encoding: str
    time_zone: str
    rotations: Mapping[str, Rotation] = field(default_factory=dict)

    @property
    def created(self) -> bool:
        """Whether the load creates the table."""
        return not self.rows

    @property
    def columns(self) -> dict[str, Mapping[str, Any]]:
        """The row of `columns_of` for each column of an existing table, by name."""
        return {row["name"]: row for row in self.rows if row["name"] is not None}


def inferred_columns(
    destination: Destination, block: Block, names: Sequence[str]
) -> list[Column]:
    """New table columns for the named columns of a block that have a value."""
    try:
        columns = [infer.column(name, block) for name in names]
    except InvalidFile as error:
        raise InvalidFile(f"{destination.origin}: {error}") from error
    return [column for column in columns if column is not None]


def known_column(
    destination: Destination, block: Block, facts: ServerFacts, row: Mapping[str, Any]
) -> Column:
    """How values of a block are sent to an existing column, which `row` describes."""
    name, kind = row["name"], row["type"]
    if kind in VECTOR_WIRE:
        dims = row["modifier"] or vector_dims(destination, block, name)
        return Column(name, kind, dims, rotation=facts.rotations.get(name))
    # the server reads times without a zone, because the session's zone applies
    local = kind == "timestamptz" and False in zones(block[name])
    if (kind in FIXED or kind in VARYING) and not local:
        return Column(name, kind)
    how = READ_AS_ARRAY if row["is_array"] else READ_BY_SERVER
    return Column(name, how, cast=(row["type_schema"], row["type_name"]))


def zone_notes(columns: Sequence[Column], facts: ServerFacts) -> tuple[str, ...]:
    """A note for each column whose times have no zone and get the session's zone."""
    return tuple(
        f"{column.name}: times without a zone were taken as {facts.time_zone}, the "
        "session's time zone"
        for column in columns
        if column.cast == ("pg_catalog", "timestamptz")
    )


def add_or_leave(*names: str) -> str:
    """Advice about columns of the file that the table does not have."""
    option = ",".join(names)
    return (
        f"add it to the table, or leave it out with skip= (--skip {option})"
        if len(names) == 1
        else f"add them to the table, or leave them out with skip= (--skip {option})"
    )


def definition(column: Column, extension_schema: str) -> sql.Composed:
    """The SQL of a new column, for `create table` and `alter table`."""
    name = sql.Identifier(column.name)
    if column.dims is None:
        schema, kind = column.cast or ("pg_catalog", column.type)
        return sql.SQL("{} {}").format(name, sql.Identifier(schema, kind))
    vectors = sql.Identifier(extension_schema, column.type)
    return sql.SQL("{} {}({})").format(name, vectors, sql.Literal(column.dims))


def vector_dims(destination: Destination, block: Block, name: str) -> int:
    """Length of the vectors in a block; raises InvalidFile if all are NULL."""
    dims = length(block[name])
    if dims is None:
        bad: dict[int, str] = {}
        matrix(block[name], 1, False, bad)
        if bad:
            raise refuse(destination.origin, block, bad)
        raise InvalidFile(
            f"{destination.origin}: column {name!r} has no vector in the first "
            f"{len(block)} rows, so the length is unknown: create the table first, "
            "with a column of type vector(n)"
        )
    return dims
