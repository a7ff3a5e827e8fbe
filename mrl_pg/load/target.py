"""What a load does to the database, decided from the catalog and the first block."""

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
    Place,
    add_or_leave,
    definition,
    inferred_columns,
    known_column,
    vector_dims,
    zone_notes,
)
from mrl_pg.load.destination import MAX_DIMS, PLAIN_LIMIT, Wanted
from mrl_pg.load.job import Job
from mrl_pg.load.pack import VECTOR_WIRE, Column

VALUE_BYTES = {"vector": 4, "halfvec": 2}


def decide(wanted: Wanted, first: Block, place: Place) -> Job:
    """The job for a file that starts with `first`.

    Raises PgvectorMissing, TableNotFound, NotAVectorColumn, InvalidSetting, or
    InvalidFile when columns of the file do not go into the table.
    """
    check_pgvector(place.extension.get("pgvector_version"))
    if first.bad:
        raise refuse(wanted.origin, first, first.bad)
    if wanted.column not in first.names:
        raise InvalidFile(
            f"{wanted.origin} has no column {wanted.column!r} for the vectors; there "
            f"are: {', '.join(first.names)}: {where_vectors_are(first)}"
        )
    return (
        _create(wanted, first, place)
        if place.created
        else (_append(wanted, first, place))
    )


def _create(wanted: Wanted, first: Block, place: Place) -> Job:
    dims = vector_dims(wanted, first, wanted.column)
    _check_dims(wanted, dims)
    key = (wanted.key,) if wanted.key in first.names else ()
    others = [name for name in first.names if name not in (*key, wanted.column)]
    inferred = {c.name: c for c in inferred_columns(wanted, first, [*key, *others])}
    if key and wanted.key not in inferred:
        inferred[wanted.key] = infer.of_type(wanted.key, "text")
    inferred[wanted.column] = Column(wanted.column, wanted.kind, dims)
    # the key first, then as they are in the file
    names = sorted(first.names, key=lambda name: name != wanted.key)
    columns = [inferred[name] for name in names if name in inferred]
    for column in columns:
        wanted.check_name("column", column.name)
    table = wanted.identifier()
    schema = place.extension["extension_schema"]
    definitions = [definition(column, schema) for column in columns]
    if not key:
        definitions.insert(
            0, statement("identity_column", name=sql.Identifier(wanted.key))
        )
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
    unset = tuple(name for name in others if name and name not in inferred)
    return Job(wanted, place, table, tuple(columns), tuple(setup), unset=unset)


def _append(wanted: Wanted, first: Block, place: Place) -> Job:
    rows = place.rows
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
    known = place.columns
    missing = [name for name in first.names if name not in known]
    if missing:
        raise InvalidFile(
            f"table {where!r} has no column {', '.join(map(repr, missing))} of "
            f"{wanted.origin}; it has: {', '.join(known)}: {add_or_leave(*missing)}"
            + ", or name the table's column with into= (--into)"
            * (wanted.column in missing)
        )
    skipped = tuple(name for name in first.names if known[name]["generated"])
    if known[wanted.column]["type"] not in VECTOR_WIRE or wanted.column in skipped:
        raise NotAVectorColumn(
            f"column {where + '.' + wanted.column!r} is "
            f"{known[wanted.column]['declared']}{' and generated' if skipped else ''}: "
            "vectors go into a plain column of type vector(n) or halfvec(n)"
        )
    columns = tuple(
        known_column(wanted, first, place, known[name])
        for name in first.names
        if name not in skipped
    )
    table = sql.Identifier(rows[0]["schema"], wanted.table)
    notes = zone_notes(columns, place)
    return Job(wanted, place, table, columns, skipped=skipped, notes=notes)


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
