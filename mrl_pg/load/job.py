"""A load under way: the columns it writes, and how they grow with the file."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from psycopg import postgres, sql

from mrl_pg.catalog.slots import comma, statement
from mrl_pg.errors import InvalidFile
from mrl_pg.load import infer
from mrl_pg.load.block import Block, refuse
from mrl_pg.load.columns import (
    Place,
    add_or_leave,
    definition,
    inferred_columns,
    known_column,
    zone_notes,
)
from mrl_pg.load.destination import Wanted
from mrl_pg.load.pack import VECTOR_WIRE, Column, Packed, Packer, in_order


@dataclass(frozen=True, slots=True)
class Job:
    """Statements that come first, then one COPY, or an INSERT for each block.

    `unset` are names in the file without a value so far: a new table gets such a
    column when its first value comes. `skipped` are left to the server.
    """

    wanted: Wanted
    place: Place
    table: sql.Identifier
    columns: tuple[Column, ...]
    setup: tuple[sql.Composed, ...] = ()
    skipped: tuple[str, ...] = ()
    unset: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    packer: Packer = field(init=False)

    def __post_init__(self) -> None:
        """Order the columns, and make the packer for them."""
        object.__setattr__(self, "columns", in_order(self.columns))
        packer = Packer(
            self.wanted.origin,
            self.columns,
            self.wanted.column,
            self.place.encoding,
            self._type_ids() if self.inserts else None,
            self.place.created,
        )
        object.__setattr__(self, "packer", packer)

    @property
    def inserts(self) -> bool:
        """Whether COPY cannot do it: row-level security, or types it needs text for."""
        secured = any(row["row_security"] for row in self.place.rows)
        return secured or any(column.read_by_server for column in self.columns)

    @property
    def dims(self) -> int:
        """Length of the vectors."""
        return next(c.dims or 0 for c in self.columns if c.name == self.wanted.column)

    def statement(self) -> sql.Composed:
        """The COPY, or the INSERT with a parameter for each column."""
        names = comma(sql.Identifier(column.name) for column in self.columns)
        if not self.inserts:
            return statement("copy_from", table=self.table, columns=names)
        values = comma(
            statement(
                "unnested",
                array=sql.SQL("%b"),
                carrier=self._named(column.carrier),
                type=sql.Identifier(*column.cast)
                if column.cast
                else self._named(column.carrier),
            )
            for column in self.columns
        )
        return statement("insert_rows", table=self.table, columns=names, values=values)

    def grown(self, block: Block) -> "Job":
        """The job for this block and those after it: itself, mostly.

        A column whose first value comes only now is added, one of whole numbers is
        widened if the table is ours. Raises InvalidFile for names that the table lacks.
        """
        if block.bad:
            return self  # the packer names the rows
        names = self._new_names(block)
        return (
            self._widened(block, names)
            if self.place.created
            else (self._extended(block, names))
        )

    def last(self) -> tuple[sql.Composed, ...]:
        """Columns of a new table that never had a value: text."""
        if not self.place.created:
            return ()
        return tuple(self._add(infer.of_type(name, "text")) for name in self.unset)

    def _new_names(self, block: Block) -> list[str]:
        known = {column.name for column in self.columns}.union(self.skipped)
        return [
            name
            for name in block.names
            if name not in known and any(value is not None for value in block[name])
        ]

    def _widened(self, block: Block, names: list[str]) -> "Job":
        new = inferred_columns(self.wanted, block, names)
        if self.wanted.key in names:
            raise _late_key(self.wanted, block)
        wide = {
            column.name: column
            for column in (infer.wider(column, block) for column in self.columns)
            if column is not None
        }
        unset = tuple(
            dict.fromkeys(
                name
                for name in (*self.unset, *block.names)
                if name and name not in {c.name for c in (*self.columns, *new)}
            )
        )
        if not new and not wide:
            return self if unset == self.unset else replace(self, unset=unset, setup=())
        return replace(
            self,
            columns=(*(wide.get(c.name, c) for c in self.columns), *new),
            setup=(*map(self._add, new), *map(self._widen, wide.values())),
            unset=unset,
        )

    def _extended(self, block: Block, names: list[str]) -> "Job":
        known = self.place.columns
        for name in names:
            if name not in known:
                why = f"column {name!r} is not in the table: {add_or_leave(name)}"
                raise refuse(
                    self.wanted.origin,
                    block,
                    {i: why for i, v in enumerate(block[name]) if v is not None},
                )
        zoned = [c.name for c in self.columns if c.type == "timestamptz"]
        old = {c.name: c for c in self.columns}
        for name in (*names, *zoned):
            if name in block.names:
                old[name] = known_column(self.wanted, block, self.place, known[name])
        columns = in_order(
            tuple(c for c in old.values() if not known[c.name]["generated"])
        )
        if columns == self.columns:
            return self
        notes = zone_notes(columns, self.place)
        return replace(self, columns=columns, setup=(), notes=(*self.notes, *notes))

    def _add(self, column: Column) -> sql.Composed:
        self.wanted.check_name("column", column.name)
        return statement(
            "add_column",
            table=self.table,
            column=definition(column, self.place.extension["extension_schema"]),
        )

    def _widen(self, column: Column) -> sql.Composed:
        return statement(
            "widen_column",
            table=self.table,
            column=sql.Identifier(column.name),
            type=sql.Identifier(*column.cast)
            if column.cast
            else self._named(column.type),
        )

    def _named(self, carrier: str) -> sql.Identifier:
        vectors = carrier in VECTOR_WIRE
        schema = self.place.extension["extension_schema"] if vectors else "pg_catalog"
        return sql.Identifier(schema, carrier)

    def _type_ids(self) -> dict[str, int]:
        return {
            carrier: self.place.vector_ids[carrier]
            if carrier in VECTOR_WIRE
            else postgres.types[carrier].oid
            for carrier in {column.carrier for column in self.columns}
        }


@dataclass(frozen=True, slots=True)
class LoadStep:
    """A packed block, and the job it belongs to; no block is left at the end."""

    job: Job
    packed: Packed | None


def steps(job: Job, blocks: Iterator[Block]) -> Iterator[LoadStep]:
    """Blocks packed in order, each with the job that fits it; in the end, none."""
    for block in blocks:
        if len(block):
            job = job.grown(block)
            yield LoadStep(job, job.packer.pack(block))
    yield LoadStep(job, None)


def _late_key(wanted: Wanted, block: Block) -> InvalidFile:
    values = block[wanted.key]
    place = next(i for i, value in enumerate(values) if value is not None)
    return InvalidFile(
        f"{wanted.origin}: the key {wanted.key!r} first appears in row "
        f"{block.number(place)}: give it to every row, or name another with key="
    )
