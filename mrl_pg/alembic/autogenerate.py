"""Compares what models declare with what the database has, for --autogenerate."""

import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from alembic.autogenerate.api import AutogenContext
from alembic.operations import MigrateOperation, ops
from sqlalchemy import Column, Connection, Index, MetaData, Table

from mrl_pg.alembic.beside import names_beside
from mrl_pg.alembic.changes import Contract, changes_of
from mrl_pg.alembic.installation import InstallMrlOp
from mrl_pg.alembic.operations import ContractMatryoshkaIndexOp, DropMatryoshkaIndexOp
from mrl_pg.alembic.write import import_vector_types
from mrl_pg.errors import InvalidSetting
from mrl_pg.index import MatryoshkaIndex
from mrl_pg.installation import VERSION
from mrl_pg.sqlalchemy.create import has_pgvector, installed_version
from mrl_pg.sqlalchemy.declare import indexes_of
from mrl_pg.sqlalchemy.reflect import Registered, registered

VERSION_TABLE = "mrl_alembic_version"
"""Where mrl_pg's own environment, `migrations/`, stores its revision."""

OWN_SCHEMA = "mrl"

log = logging.getLogger("alembic.autogenerate.mrl_pg")

Place = tuple[str, str]
"""A table: its schema, named even when it is the default one, and its name."""


def compare(
    context: AutogenContext, upgrade_ops: ops.UpgradeOps, schemas: Iterable[str | None]
) -> None:
    """Add to a revision what models declare; remove what only mrl_pg may change."""
    connection = context.connection
    if connection is None or connection.dialect.name != "postgresql":
        return
    default = connection.dialect.default_schema_name or ""
    known: dict[Place, list[Registered]] = defaultdict(list)
    for found in registered(connection):
        known[found.index.schema, found.index.table].append(found)
        if found.visible and found.index.schema != default:
            # Alembic takes a table without a schema as one of the default schema
            known[default, found.index.table].append(found)
    tables = {
        (table.schema or default, table.name): table
        for table in context.sorted_tables
        if context.run_object_filters(table, table.name, "table", False, None)
    }
    hide(upgrade_ops, default, tables, known)
    concurrently = bool(context.opts.get("mrl_concurrently"))
    contract = _contract(context)
    created = {
        (op.schema or default, op.table_name)
        for op in upgrade_ops.ops
        if isinstance(op, ops.CreateTableOp)
    }
    before: list[MigrateOperation] = []
    after: list[MigrateOperation] = []
    for place, table in tables.items():
        changed = _changed_columns(upgrade_ops, default, place)
        # a revision that creates the table stays in one transaction
        in_background = concurrently and place not in created
        changes = changes_of(table, known[place], changed, in_background, contract)
        before += [
            op
            for op in changes.before
            if not isinstance(op, DropMatryoshkaIndexOp)
            or op.index.column in changed
            or _may_drop(context, op.index)
        ]
        after += changes.after
        for index in changes.left:
            if _may_drop(context, index):
                log.info("%s: index %s stays (contract later)", index, index.name)
    for dropped in upgrade_ops.ops:
        if not isinstance(dropped, ops.DropTableOp):
            continue
        place = dropped.schema or default, dropped.table_name
        before += [
            DropMatryoshkaIndexOp(replace(found.index, schema=dropped.schema or ""))
            for found in known[place]
        ]
        _forget_short_columns(dropped, known[place])
    if before or after:
        before[:0] = _installation(connection)
    for op in (*before, *after):
        if isinstance(op, ContractMatryoshkaIndexOp):
            # `alembic check` says nothing of it
            log.warning(
                "Contract is due: no model declares %s any more, index %s; the next "
                "revision of autogenerate drops it",
                op.index,
                op.index.name,
            )
        else:
            log.info("Detected %s", " ".join(map(str, op.to_diff_tuple())))
    upgrade_ops.ops[:] = [*before, *upgrade_ops.ops, *after]
    import_vector_types(context)


def hide(
    upgrade_ops: ops.UpgradeOps,
    default: str,
    tables: Mapping[Place, Any],
    known: Mapping[Place, Sequence[Registered]],
) -> None:
    """Remove what Alembic would do to short columns, their indexes, and `mrl`."""
    remaining: list[MigrateOperation] = []
    for op in upgrade_ops.ops:
        if isinstance(op, (ops.ModifyTableOps, ops.DropTableOp)) and (
            op.schema == OWN_SCHEMA or op.table_name == VERSION_TABLE
        ):
            continue
        if isinstance(op, ops.ModifyTableOps):
            place = op.schema or default, op.table_name
            made = [found.index for found in known.get(place, ())]
            # an interrupted creation is not registered yet
            made += indexes_of(tables[place]) if place in tables else ()
            shorts, names = {i.short for i in made}, {i.name for i in made}
            names.update(*(names_beside(i).values() for i in made))
            op.ops[:] = [part for part in op.ops if not _is_of(part, shorts, names)]
            if op.is_empty():
                continue
        remaining.append(op)
    upgrade_ops.ops[:] = remaining


def _contract(context: AutogenContext) -> Contract:
    """The option `mrl_contract`; raises InvalidSetting."""
    given = context.opts.get("mrl_contract", True)
    if given is True or given is False or given == "at once":
        chosen: Contract = given
        return chosen
    raise InvalidSetting(
        f"mrl_contract={given!r} is unknown: give True (a later revision drops what "
        'was replaced), False (none does) or "at once"'
    )


def _is_of(op: MigrateOperation, shorts: set[str], names: set[str]) -> bool:
    if isinstance(op, ops.DropColumnOp):
        return op.column_name in shorts
    return isinstance(op, ops.DropIndexOp) and op.index_name in names


def _may_drop(context: AutogenContext, index: MatryoshkaIndex) -> bool:
    """Whether env.py's filters include an index that no model declares.

    They are called as Alembic calls them for an index of the database.
    """
    schema = index.schema or None
    table = Table(index.table, MetaData(), Column(index.short), schema=schema)
    existing = Index(index.name, table.c[index.short])
    parents: Any = {"schema_name": schema, "table_name": index.table}
    return context.run_name_filters(
        index.name, "index", parents
    ) and context.run_object_filters(existing, index.name, "index", True, None)


def _changed_columns(
    upgrade_ops: ops.UpgradeOps, default: str, place: Place
) -> set[str]:
    """Columns of a table that are dropped or get another type."""
    return {
        part.column_name
        for op in upgrade_ops.ops
        if isinstance(op, ops.ModifyTableOps)
        and (op.schema or default, op.table_name) == place
        for part in op.ops
        if isinstance(part, ops.DropColumnOp)
        or (isinstance(part, ops.AlterColumnOp) and part.modify_type is not None)
    }


def _forget_short_columns(op: ops.DropTableOp, known: Sequence[Registered]) -> None:
    """Remove short columns from the inverse, because our own drop restores them."""
    shorts = {found.index.short for found in known}
    if op._reverse is not None:
        op._reverse.columns = [
            item
            for item in op._reverse.columns
            if not (isinstance(item, Column) and item.name in shorts)
        ]


def _installation(connection: Connection) -> list[MigrateOperation]:
    """Installs the database side if it is missing; you write an upgrade by hand."""
    if installed_version(connection) is not None:
        return []
    return [InstallMrlOp(VERSION, vector=not has_pgvector(connection))]
