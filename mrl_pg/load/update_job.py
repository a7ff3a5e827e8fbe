"""Decides how an update by key is sent, from the catalog and the first block."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from psycopg import sql

from mrl_pg.catalog.facts import NOT_TABLES, check_pgvector
from mrl_pg.catalog.slots import comma, home, name, statement
from mrl_pg.errors import (
    ColumnNotFound,
    InvalidFile,
    NotAVectorColumn,
    TableNotFound,
)
from mrl_pg.load.advice import where_vectors_are
from mrl_pg.load.block import Block, refuse
from mrl_pg.load.by_key import (
    UniqueKey,
    array,
    cast,
    key_hashes,
    key_of_row,
    same_key,
    type_ids,
    without_key,
)
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
        return f"row {block.number(place)}: {key_of_row(self.keys, block, place)}"

    def check(self, block: Block) -> NDArray[np.int64]:
        """Hashes of the keys of a block; raises InvalidFile naming the bad rows."""
        self.packer.pack(block)
        if bad := without_key(self.keys, block):
            raise refuse(self.destination.origin, block, bad, "updated")
        return key_hashes(self.keys, block, self.packer.encoding)


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
        type_ids(columns, facts),
        done="updated",
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
        arrays=comma(array(column, schema) for column in columns),
        names=comma(sql.Identifier(inner[column.name]) for column in columns),
        casts=comma(cast(inner[column.name], column, schema) for column in columns),
        same_key=same_key(key, inner),
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
