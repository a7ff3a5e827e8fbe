"""A search of one tenant: which index it uses, and the condition on its rows.

The server is asked before each search, so nothing about tenants is cached. If an index
is dropped between that and the search, the stamp of the search differs, and the server
is asked again.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from psycopg import errors, sql

from mrl_pg.catalog import slots
from mrl_pg.catalog.facts import no_table
from mrl_pg.catalog.in_use import name_of
from mrl_pg.errors import (
    IndexMismatch,
    InvalidSetting,
    MrlError,
    NotInstalled,
    SpreadTable,
    TableError,
)
from mrl_pg.exchange import Exchange, look
from mrl_pg.exchange.server_message import ServerMessage, server_message
from mrl_pg.layout import IndexLayout, Searched, TenantIndex
from mrl_pg.search.filter import OF_TENANT, Params
from mrl_pg.search.options import SearchOptions

MISSING = {
    each.sqlstate
    for each in (
        errors.UndefinedFunction,
        errors.UndefinedTable,
        errors.InvalidSchemaName,
    )
}
"""Of a table, a schema or a function that is not there."""

WRONG_TABLE = {
    each.sqlstate
    for each in (
        errors.ObjectNotInPrerequisiteState,
        errors.UndefinedColumn,
        errors.WrongObjectType,
        errors.DatatypeMismatch,
    )
}
"""Of a table that is there and is not what the search needs."""

IS_INDEXED = "({} operator(pg_catalog.=) {}::{}) is true"
"""The condition of the index of a tenant: the column, the key and its type."""


@dataclass(frozen=True, slots=True)
class TenantPlace:
    """Where the rows of a tenant are: its key, and its index if it has one.

    `key_type` is written in SQL, and `key` as the server writes that type as text.
    """

    key_column: str
    key_type: str
    key: str
    layout: TenantIndex
    has_index: bool


def read_tenant(searched: Searched, tenant: str) -> Exchange[TenantPlace]:
    """The place of a tenant, read from the server now.

    Raises TableNotFound, TableError if the rows of the column belong to no tenants,
    InvalidSetting for what is no key, IndexMismatch for an index of another distance,
    and NotInstalled.
    """
    query = slots.statement(
        "tenant",
        table=sql.Literal(name_of(searched)),
        column=sql.Literal(searched.column),
        tenant=sql.Literal(tenant),
    )
    try:
        (row,) = yield from look(query)
    except Exception as error:
        if (known := _explained(searched, server_message(error))) is None:
            raise
        raise known from error
    layout = TenantIndex(
        searched.table,
        searched.column,
        schema=searched.schema,
        dims=row["dims"],
        kind=row["kind"],
        distance=row["distance"],
        m=row["m"],
        ef_construction=row["ef_construction"],
        name=row["index_name"] or "",
    )
    if isinstance(searched, IndexLayout) and searched.distance != layout.distance:
        raise IndexMismatch(
            f"{searched} is of another distance than the indexes of tenants, which is "
            f"{layout.distance}: search the MatryoshkaColumn, or call set_tenants with "
            f"distance={searched.distance!r}"
        )
    return TenantPlace(
        row["key_column"],
        row["key_type"],
        row["key_text"],
        layout,
        row["index_name"] is not None,
    )


def _explained(searched: Searched, said: ServerMessage) -> MrlError | None:
    """What an error of the server means, whichever driver raised it."""
    if said.sqlstate == errors.InvalidParameterValue.sqlstate:
        return InvalidSetting(str(said))
    if said.sqlstate in WRONG_TABLE:
        return TableError(str(said))
    if said.sqlstate == errors.FeatureNotSupported.sqlstate:
        return SpreadTable(str(said))
    if said.sqlstate not in MISSING:
        return None
    if re.search(r'[ "]mrl[."]', said.message):
        return NotInstalled(
            "the registry of mrl_pg says which tenants have an index, and this "
            "database has none of its version: run mrl_pg.install(conn) or "
            "`mrl-pg install`"
        )
    return no_table(name_of(searched))


def narrowed(options: SearchOptions, own: TenantPlace, *, exact: bool) -> SearchOptions:
    """The options of a search of the tenant's rows alone; `exact` without its index."""
    given = options.params
    named = given is None or isinstance(given, Mapping)
    placeholder = sql.Placeholder(OF_TENANT) if named else sql.Placeholder()
    # `mrl._is_of_tenant` says why a search by the tenant's index asks differently
    wanted = "{} operator(pg_catalog.=) {}::{}" if exact else IS_INDEXED
    of_tenant = sql.SQL(wanted).format(
        slots.name(own.key_column),
        placeholder,
        sql.SQL(own.key_type.replace("%", "%%")),
    )
    also = slots.condition(None if options.filter is None else str(options.filter))
    params: Params
    if named:
        values: Any = given or {}
        params = {**values, OF_TENANT: own.key}
    else:
        params = [own.key, *(given or ())]
    return replace(
        options,
        filter=sql.SQL("{}{}").format(of_tenant, also).as_string(),
        params=params,
    )
