"""The statements of a load: the columns it writes, and how they grow with the file."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from psycopg import postgres, sql

from mrl_pg.catalog.slots import comma, statement
from mrl_pg.errors import InvalidFile
from mrl_pg.load import infer
from mrl_pg.load.block import Block, refuse
from mrl_pg.load.columns import (
    ServerFacts,
    add_or_leave,
    definition,
    inferred_columns,
    known_column,
    zone_notes,
)
from mrl_pg.load.destination import Destination
from mrl_pg.load.pack import VECTOR_WIRE, Column, Packed, Packer, in_order


@dataclass(frozen=True, slots=True)
class Job:
    """Setup statements, then one COPY, or one INSERT per block.

    `unset` are names in the file that have no value so far. A new table gets such a
    column when the first value comes. `skipped` are generated columns, which the
    server computes.
    """

    destination: Destination
    facts: ServerFacts
    table: sql.Identifier
    columns: tuple[Column, ...]
    setup: tuple[sql.Composed, ...] = ()
    skipped: tuple[str, ...] = ()
    unset: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    packer: Packer = field(init=False)

    def __post_init__(self) -> None:
        """Put the columns in COPY order, and make their packer."""
        object.__setattr__(self, "columns", in_order(self.columns))
        packer = Packer(
            self.destination.origin,
            self.columns,
            self.destination.column,
            self.facts.encoding,
            self._type_ids() if self.inserts else None,
            self.facts.created,
        )
        object.__setattr__(self, "packer", packer)

    @property
    def inserts(self) -> bool:
        """Whether COPY is impossible: row-level security, or types sent as text."""
        secured = any(row["row_security"] for row in self.facts.rows)
        return secured or any(column.read_by_server for column in self.columns)

    @property
    def dims(self) -> int:
        """Length of the vectors."""
        return next(
            c.dims or 0 for c in self.columns if c.name == self.destination.column
        )

    def statement(self) -> sql.Composed:
        """The COPY, or the INSERT with one parameter per column."""
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
        """The job for this block and later blocks: this job, unless columns change.

        A column is added when its first value comes. In a new table, a bigint column
        is widened if its numbers need it. Raises InvalidFile for a name that an
        existing table does not have.
        """
        if block.bad:
            return self  # the packer names the rows
        names = self._new_names(block)
        return (
            self._widened(block, names)
            if self.facts.created
            else (self._extended(block, names))
        )

    def last(self) -> tuple[sql.Composed, ...]:
        """Statements that add the columns that never had a value, as text."""
        if not self.facts.created:
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
        new = inferred_columns(self.destination, block, names)
        if self.destination.key in names:
            raise _late_key(self.destination, block)
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
        known = self.facts.columns
        for name in names:
            if name not in known:
                why = f"column {name!r} is not in the table: {add_or_leave(name)}"
                raise refuse(
                    self.destination.origin,
                    block,
                    {i: why for i, v in enumerate(block[name]) if v is not None},
                )
        zoned = [c.name for c in self.columns if c.type == "timestamptz"]
        old = {c.name: c for c in self.columns}
        for name in (*names, *zoned):
            if name in block.names:
                old[name] = known_column(
                    self.destination, block, self.facts, known[name]
                )
        columns = in_order(
            tuple(c for c in old.values() if not known[c.name]["generated"])
        )
        if columns == self.columns:
            return self
        notes = zone_notes(columns, self.facts)
        return replace(self, columns=columns, setup=(), notes=(*self.notes, *notes))

    def _add(self, column: Column) -> sql.Composed:
        self.destination.check_name("column", column.name)
        return statement(
            "add_column",
            table=self.table,
            column=definition(column, self.facts.extension["extension_schema"]),
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
        schema = self.facts.extension["extension_schema"] if vectors else "pg_catalog"
        return sql.Identifier(schema, carrier)

    def _type_ids(self) -> dict[str, int]:
        return {
            carrier: self.facts.vector_ids[carrier]
            if carrier in VECTOR_WIRE
            else postgres.types[carrier].oid
            for carrier in {column.carrier for column in self.columns}
        }


@dataclass(frozen=True, slots=True)
class LoadStep:
    """A packed block and its job; `packed` is None after the last block."""

    job: Job
    packed: Packed | None


def steps(job: Job, blocks: Iterator[Block]) -> Iterator[LoadStep]:
    """The blocks, packed in order, each with its job; the last step has no block."""
    for block in blocks:
        if len(block):
            job = job.grown(block)
            yield LoadStep(job, job.packer.pack(block))
    yield LoadStep(job, None)


def _late_key(destination: Destination, block: Block) -> InvalidFile:
    values = block[destination.key]
    place = next(i for i, value in enumerate(values) if value is not None)
    return InvalidFile(
        f"{destination.origin}: the key {destination.key!r} first appears in row "
        f"{block.number(place)}: give each row a key, or name another column with key="
    )
