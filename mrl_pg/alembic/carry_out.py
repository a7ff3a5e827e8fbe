"""Carries the operations out: on a server, or with --sql as text."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from alembic.operations import Operations
from psycopg import sql

from mrl_pg import render
from mrl_pg.alembic.operations import (
    CreateMatryoshkaIndexOp,
    DropMatryoshkaIndexOp,
    InstallMrlOp,
    ResizeMatryoshkaIndexOp,
    UninstallMrlOp,
)
from mrl_pg.alembic.run import (
    install_release,
    run_manifest,
    run_statement,
    run_verbatim,
)
from mrl_pg.index import MatryoshkaIndex
from mrl_pg.layout import fit
from mrl_pg.sqlalchemy.create import check_installed


@Operations.implementation_for(InstallMrlOp)
def install(operations: Operations, operation: InstallMrlOp) -> None:
    """Install a release."""
    if operation.vector:
        run_statement(operations, render.create_vector())
    install_release(operations, operation.version)


@Operations.implementation_for(UninstallMrlOp)
def uninstall(operations: Operations, operation: UninstallMrlOp) -> None:
    """Remove the schema."""
    run_manifest(operations, "uninstall.sql")


@Operations.implementation_for(CreateMatryoshkaIndexOp)
def create(operations: Operations, operation: CreateMatryoshkaIndexOp) -> None:
    """Create a short column and its index."""
    _check(operations)
    if operation.concurrently:
        with _autocommit(operations):
            _build(operations, operation.index)
    else:
        run_statement(operations, render.call("call_create_index", operation.index))


@Operations.implementation_for(DropMatryoshkaIndexOp)
def drop(operations: Operations, operation: DropMatryoshkaIndexOp) -> None:
    """Drop a short column and its index."""
    _check(operations)
    if operation.concurrently:
        with _autocommit(operations):
            _drop_beside(operations, operation.index)
    else:
        run_statement(operations, render.call("call_drop_index", operation.index))


@Operations.implementation_for(ResizeMatryoshkaIndexOp)
def resize(operations: Operations, operation: ResizeMatryoshkaIndexOp) -> None:
    """Put one in the place of another."""
    _check(operations)
    old, new = operation.old, operation.new
    if operation.concurrently:
        with _autocommit(operations):
            if old.name == new.name:
                _rebuild_beside(operations, new)
            else:
                _build(operations, new, has_column=old.short == new.short)
                _drop_beside(operations, old)
        return
    if old.name == new.name:
        run_statement(operations, render.drop_index(_qualified(old)))
        run_statement(operations, render.call("call_create_index", new))
        return
    # a rewrite would build the old index anew, unless the short column is kept
    steps = ["call_drop_index", "call_create_index"]
    if old.short == new.short:
        steps.reverse()
    for step in steps:
        index = old if step == "call_drop_index" else new
        run_statement(operations, render.call(step, index))


def _check(operations: Operations) -> None:
    if not operations.get_context().as_sql:
        check_installed(operations.get_bind())


@contextmanager
def _autocommit(operations: Operations) -> Iterator[None]:
    """Outside any transaction; a caller's own autocommit block will do."""
    context = operations.get_context()
    if not context.as_sql:
        level = operations.get_bind().get_isolation_level()
        if level == "AUTOCOMMIT":
            yield
            return
    with context.autocommit_block():
        yield


def _build(
    operations: Operations, index: MatryoshkaIndex, *, has_column: bool = False
) -> None:
    """Make what is missing, statement by statement; with --sql, what is not said to be.

    Text knows nothing of the database that it will run in.
    """
    if not operations.get_context().as_sql:
        missing = run_statement(operations, render.call("call_create_index_sql", index))
        for (statement,) in missing.all():
            run_verbatim(operations, statement)
        return
    table = _table(index)
    path = render.home("")
    if not has_column:
        run_statement(operations, render.add_short_column(index, table, path))
    run_statement(
        operations, render.create_index(index, table, path, concurrently=True)
    )
    run_statement(operations, render.call("call_register", index))


def _drop_beside(operations: Operations, index: MatryoshkaIndex) -> None:
    run_statement(operations, render.drop_index(_qualified(index), concurrently=True))
    run_statement(operations, render.call("call_drop_index", index))


def _rebuild_beside(operations: Operations, index: MatryoshkaIndex) -> None:
    """Build under another name, then swap; an earlier try is gone on with."""
    beside = replace(index, name=fit(index.name, "_new"))
    _build(operations, beside, has_column=True)
    run_statement(operations, render.drop_index(_qualified(index), concurrently=True))
    run_statement(operations, render.rename_index(_qualified(beside), index.name))
    run_statement(operations, render.call("call_register", index))
    run_statement(operations, render.call("call_unregister", beside))


def _table(index: MatryoshkaIndex) -> sql.Identifier:
    return sql.Identifier(*filter(None, (index.schema, index.table)))


def _qualified(index: MatryoshkaIndex) -> sql.Identifier:
    """The index's name in its table's schema."""
    return sql.Identifier(*filter(None, (index.schema, index.name)))
