"""Decides what a load does to the database, from the catalog and the first block."""

from psycopg import sql

from mrl_pg.catalog.facts import NOT_TABLES, check_pgvector
from mrl_pg.catalog.slots import comma, statement
from mrl_pg.errors import (
    InvalidFile,
    InvalidSetting,
    NotAVectorColumn,
    TableNotFound,
)
from mrl_pg.load import infer
from mrl_pg.load.advice import where_vectors_are
from mrl_pg.load.block import Block, refuse
from mrl_pg.load.columns import (
    ServerFacts,
    add_or_leave,
    definition,
    inferred_columns,
    known_column,
    vector_dims,
    zone_notes,
)
from mrl_pg.load.destination import MAX_DIMS, PLAIN_LIMIT, Destination
from mrl_pg.load.job import Job
from mrl_pg.load.pack import VECTOR_WIRE, Column

VALUE_BYTES = {"vector": 4, "halfvec": 2}


def decide(destination: Destination, first: Block, facts: ServerFacts) -> Job:
    """The job for a file that starts with `first`.

    Raises PgvectorMissing, TableNotFound, NotAVectorColumn, InvalidSetting, or
    InvalidFile if columns of the file do not fit the table.
    """
    check_pgvector(facts.extension.get("pgvector_version"))
    if first.bad:
        raise refuse(destination.origin, first, first.bad)
    if destination.column not in first.names:
        raise InvalidFile(
            f"{destination.origin} has no column {destination.column!r} for the "
            f"vectors; there are: {', '.join(first.names)}: "
            f"{where_vectors_are(first)}"
        )
    return (
        _create(destination, first, facts)
        if facts.created
        else (_append(destination, first, facts))
    )


def _create(destination: Destination, first: Block, facts: ServerFacts) -> Job:
    dims = vector_dims(destination, first, destination.column)
    check_dims(destination, dims)
    key = (destination.key,) if destination.key in first.names else ()
    others = [name for name in first.names if name not in (*key, destination.column)]
    inferred = {
        c.name: c for c in inferred_columns(destination, first, [*key, *others])
    }
    if key and destination.key not in inferred:
        inferred[destination.key] = infer.of_type(destination.key, "text")
    check_rotation(destination, dims)
    inferred[destination.column] = Column(
        destination.column, destination.kind, dims, rotation=destination.rotation
    )
    # the key first, then the order of the file
    names = sorted(first.names, key=lambda name: name != destination.key)
    columns = [inferred[name] for name in names if name in inferred]
    for column in columns:
        destination.check_name("column", column.name)
    table = destination.identifier()
    schema = facts.extension["extension_schema"]
    definitions = [definition(column, schema) for column in columns]
    if not key:
        definitions.insert(
            0, statement("identity_column", name=sql.Identifier(destination.key))
        )
    setup = [
        statement(
            "create_table",
            table=table,
            columns=comma(definitions),
            key=sql.Identifier(destination.key),
        )
    ]
    if destination.storage is not None:
        # separate, because create table takes no storage before PostgreSQL 16
        setup.append(
            statement(
                "set_storage",
                table=table,
                column=sql.Identifier(destination.column),
                storage=sql.Identifier(destination.storage),
            )
        )
    unset = tuple(name for name in others if name and name not in inferred)
    return Job(destination, facts, table, tuple(columns), tuple(setup), unset=unset)


def _append(destination: Destination, first: Block, facts: ServerFacts) -> Job:
    rows = facts.rows
    where = f"{rows[0]['schema']}.{destination.table}"
    if rows[0]["relation_kind"] in NOT_TABLES:
        raise TableNotFound(
            f"{where!r} is a {NOT_TABLES[rows[0]['relation_kind']]}: "
            "give the name of a table"
        )
    if destination.storage is not None:
        raise InvalidSetting(
            f"storage={destination.storage!r} is for a new table and {where!r} exists: "
            "leave it out, or alter table … alter column … set storage first"
        )
    known = facts.columns
    missing = [name for name in first.names if name not in known]
    if missing:
        raise InvalidFile(
            f"table {where!r} has no column {', '.join(map(repr, missing))} of "
            f"{destination.origin}; it has: {', '.join(known)}: "
            f"{add_or_leave(*missing)}"
            + ", or name the table's column with column= (COLUMN)"
            * (destination.column in missing)
        )
    skipped = tuple(name for name in first.names if known[name]["generated"])
    if (
        known[destination.column]["type"] not in VECTOR_WIRE
        or destination.column in skipped
    ):
        raise NotAVectorColumn(
            f"column {where + '.' + destination.column!r} is "
            f"{known[destination.column]['declared']}"
            f"{' and generated' if skipped else ''}: "
            "vectors go into a plain column of type vector(n) or halfvec(n)"
        )
    if (dims := known[destination.column]["modifier"]) is not None:
        check_rotation(destination, dims)
    columns = tuple(
        known_column(destination, first, facts, known[name])
        for name in first.names
        if name not in skipped
    )
    table = sql.Identifier(rows[0]["schema"], destination.table)
    notes = zone_notes(columns, facts)
    return Job(destination, facts, table, columns, skipped=skipped, notes=notes)


def check_rotation(destination: Destination, dims: int) -> None:
    """Raise InvalidSetting for a rotation of vectors of another length."""
    rotation = destination.rotation
    if rotation is not None and rotation.dims != dims:
        raise InvalidSetting(
            f"the rotation {rotation.version} is for {rotation.dims} dimensions, and "
            f"the vectors of {destination.origin} have {dims}: fit one on vectors of "
            "this model"
        )


def check_dims(destination: Destination, dims: int) -> None:
    """Raise an error for a length that a new column cannot have."""
    if not 1 <= dims <= MAX_DIMS:
        raise InvalidFile(
            f"{destination.origin}: vectors of {dims} numbers; pgvector stores 1 to "
            f"{MAX_DIMS}: check that column {destination.column!r} holds embeddings"
        )
    size = VALUE_BYTES[destination.kind] * dims + 8
    if destination.storage == "plain" and size > PLAIN_LIMIT:
        raise InvalidSetting(
            f"storage='plain' keeps a value in its row: "
            f"{destination.kind}({dims}) takes {size} bytes, and {PLAIN_LIMIT} fit in "
            "a page: use storage='external', or kind='halfvec' if that fits"
        )
