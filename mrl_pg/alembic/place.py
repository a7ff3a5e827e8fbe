"""The schema that an operation works in, as the connection translates schemas."""

from dataclasses import replace

from alembic.operations import Operations
from sqlalchemy import Connection

from mrl_pg.index import MatryoshkaIndex


def translated(bind: Connection, schema: str | None) -> str | None:
    """The schema that the connection's schema_translate_map makes of a schema."""
    schemas = bind.get_execution_options().get("schema_translate_map") or {}
    translation: str | None = schemas.get(schema, schema)
    return translation


def in_place(operations: Operations, index: MatryoshkaIndex) -> MatryoshkaIndex:
    """The index, on the table that Alembic's own operations would change."""
    if operations.get_context().as_sql:
        return index
    schema = translated(operations.get_bind(), index.schema or None)
    return replace(index, schema=schema or "")
