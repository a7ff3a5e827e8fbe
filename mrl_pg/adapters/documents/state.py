"""What the server has of a table of documents, and how a table is made."""

from dataclasses import dataclass

from psycopg import errors, sql

from mrl_pg import source
from mrl_pg.adapters.conditions import Fields, Part
from mrl_pg.adapters.documents.table import DocumentTable
from mrl_pg.build.create import create
from mrl_pg.catalog.facts import check_pgvector
from mrl_pg.catalog.in_use import registered
from mrl_pg.catalog.slots import home, statement
from mrl_pg.errors import ColumnNotFound, InvalidSetting, NotInstalled, TableNotFound
from mrl_pg.exchange import AnyConn, Exchange, Send, look, transaction
from mrl_pg.installation import installing
from mrl_pg.kinds import Distance


@dataclass(frozen=True, slots=True)
class TableState:
    """What the server has: where fields are, and the distance of the index in use."""

    fields: Fields
    distance: Distance


def read_state(table: DocumentTable) -> Exchange[TableState | None]:
    """What the server has; None if there is no such table and the store may make it.

    Raises TableNotFound, ColumnNotFound, and InvalidSetting for metadata of another
    type than jsonb and for another distance than the index in use has.
    """
    names = {"schema": table.schema, "table": table.table}
    rows = yield from look(source.statement("columns_of").encode(), names)
    if not rows:
        if table.make:
            return None
        raise TableNotFound(
            f"there is no table {table.table!r}: correct the name, or let the store "
            "make it"
        )
    there = {row["name"]: row for row in rows}
    for column in (table.key, table.embedding, *table.shown_columns):
        if column not in there:
            raise ColumnNotFound(
                f"table {table.table!r} has no column {column!r}; it has: "
                f"{', '.join(filter(None, there))}: name the columns of the store"
            )
    metadata = table.metadata
    if metadata is not None and there[metadata]["type"] != "jsonb":
        raise InvalidSetting(
            f"column {metadata!r} is {there[metadata]['declared']}: metadata are kept "
            "in a column of type jsonb"
        )

    def type_of(column: str) -> tuple[str, str]:
        return there[column]["type_schema"], there[column]["type_name"]

    types = {column: type_of(column) for column in table.columns}
    parts: dict[Part, tuple[str, tuple[str, str]]] = {
        "key": (table.key, type_of(table.key)),
        "text": (table.text, type_of(table.text)),
    }
    return TableState(Fields(metadata, types, parts), (yield from _distance(table)))


def _distance(table: DocumentTable) -> Exchange[Distance]:
    """The distance of the index in use, or what the store asks if there is none."""
    try:
        known = yield from registered(table.searched)
    except NotInstalled:
        known = []
    wanted = table.distance or (known[0].distance if known else "cosine")
    if known and known[0].distance != wanted:
        raise InvalidSetting(
            f"distance={wanted!r}, and the index in use of {table.searched} has "
            f"{known[0].distance}: leave distance out, or switch to another index"
        )
    return wanted


def make_table(table: DocumentTable, size: int) -> Exchange[bool]:
    """Make the table for vectors of a size; false if another process just made it."""
    if table.dims is not None and table.dims > size:
        raise InvalidSetting(
            f"dims={table.dims} is above {size}, the size of these vectors: give fewer"
        )
    extension = yield from look(source.statement("pgvector").encode())
    found = extension[0] if extension else {}
    check_pgvector(found.get("pgvector_version"))
    assert table.metadata is not None
    made = statement(
        "create_documents",
        table=sql.Identifier(*table.path),
        key=sql.Identifier(table.key),
        text=sql.Identifier(table.text),
        metadata=sql.Identifier(table.metadata),
        embedding=sql.Identifier(table.embedding),
        extension=home(found["extension_schema"]),
        dims=sql.Literal(size),
    )
    try:
        yield from transaction(_sent(made))
    except (errors.DuplicateTable, errors.UniqueViolation):
        return False
    return True


def make_index(conn: AnyConn, table: DocumentTable) -> Exchange[None]:
    """Make the index of a table, and the schema mrl if there is none."""
    assert table.dims is not None
    try:
        yield from create(conn, table.index(table.dims))
    except NotInstalled:
        yield from installing()
        yield from create(conn, table.index(table.dims))


def _sent(made: sql.Composed) -> Exchange[None]:
    yield Send(made)
