"""Carries out the operations on a server, or prints them with --sql."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from alembic.operations import Operations
from psycopg import sql

from mrl_pg.alembic.beside import column_of
from mrl_pg.alembic.installation import InstallMrlOp, UninstallMrlOp
from mrl_pg.alembic.known import is_known
from mrl_pg.alembic.operations import (
    CreateMatryoshkaIndexOp,
    DropMatryoshkaIndexOp,
    Rebuild,
    ResizeMatryoshkaIndexOp,
)
from mrl_pg.alembic.origin import found_before, installed_here
from mrl_pg.alembic.place import in_place
from mrl_pg.alembic.run import (
    check_release,
    install_release,
    remove_releases,
    run_at_once,
    run_manifest,
    run_statement,
    run_verbatim,
)
from mrl_pg.alembic.switching import SwitchMatryoshkaIndexOp
from mrl_pg.build import definitions
from mrl_pg.errors import InvalidSetting
from mrl_pg.index import MatryoshkaIndex
from mrl_pg.layout import fit
from mrl_pg.sqlalchemy.create import check_installed


def install(operations: Operations, operation: InstallMrlOp) -> None:
    """Install a release."""
    if operation.vector:
        run_statement(operations, definitions.create_vector())
    install_release(operations, operation.version)


def uninstall(operations: Operations, operation: UninstallMrlOp) -> None:
    """Remove the schema, or go back to the release that was there before."""
    check_release(operation.version)
    if not installed_here(operations, operation.version):
        return
    existing = operation.existing_version or found_before(operations)
    if existing is None:
        run_manifest(operations, "uninstall.sql")
    else:
        remove_releases(operations, operation.version, existing)


def create(operations: Operations, operation: CreateMatryoshkaIndexOp) -> None:
    """Create a short column and its index."""
    _check(operations)
    index = in_place(operations, operation.index)
    if operation.concurrently:
        with _autocommit(operations):
            _build(operations, index, rebuild=operation.rebuild)
    else:
        _build_here(operations, index, operation.rebuild)


def drop(operations: Operations, operation: DropMatryoshkaIndexOp) -> None:
    """Drop a short column and its index."""
    _check(operations)
    index = in_place(operations, operation.index)
    if operation.concurrently:
        with _autocommit(operations):
            _drop_concurrently(operations, index)
    elif is_known(operations, index):
        run_statement(operations, definitions.call("call_drop_index", index))


def resize(operations: Operations, operation: ResizeMatryoshkaIndexOp) -> None:
    """Replace one short column or index by another."""
    _check(operations)
    old, new = (in_place(operations, index) for index in (operation.old, operation.new))
    same_column = column_of(old) == column_of(new)
    if operation.concurrently:
        with _autocommit(operations):
            _replace_concurrently(operations, old, new, same_column, operation.rebuild)
    elif same_column and old.name == new.name:
        _drop_index(operations, old)
        _build_here(operations, new, operation.rebuild)
    else:
        is_known(operations, old)
        # drop first, because the rewrite for a new column would rebuild the old index
        if same_column:
            _build_here(operations, new, operation.rebuild)
        run_statement(operations, definitions.call("call_drop_index", old))
        if not same_column:
            _build_here(operations, new, operation.rebuild)


def switch(operations: Operations, operation: SwitchMatryoshkaIndexOp) -> None:
    """Have searches that name no index use another one."""
    _check(operations)
    index = in_place(operations, operation.new)
    run_statement(operations, definitions.call("call_switch", index))


def _check(operations: Operations) -> None:
    if not operations.get_context().as_sql:
        check_installed(operations.get_bind())


@contextmanager
def _autocommit(operations: Operations) -> Iterator[None]:
    """Run the block outside any transaction, or in the caller's autocommit block."""
    context = operations.get_context()
    if not context.as_sql:
        options = operations.get_bind().get_execution_options()
        if options.get("isolation_level") == "AUTOCOMMIT":
            yield
            return
        if context._in_external_transaction:
            raise InvalidSetting(
                "concurrently=True in a transaction that Alembic did not begin: pass "
                "context.configure a connection without one, from engine.connect()"
            )
    with context.autocommit_block():
        yield


def _build_here(
    operations: Operations, index: MatryoshkaIndex, rebuild: Rebuild
) -> None:
    """Have the server build what is missing, in the revision's transaction."""
    built = definitions.call("call_create_index", index, rebuild=rebuild)
    run_statement(operations, built)


def _build(
    operations: Operations,
    index: MatryoshkaIndex,
    *,
    has_column: bool = False,
    rebuild: Rebuild = False,
) -> None:
    """Run the steps that the database lists; with --sql, print steps for any table."""
    if operations.get_context().as_sql:
        for statement in definitions.build_unseen(index, has_column=has_column):
            run_statement(operations, statement)
        return
    steps = definitions.call("create_steps", index, concurrent=True, rebuild=rebuild)
    for _, statement, *_ in run_statement(operations, steps).all():
        run_verbatim(operations, statement)


def _drop_concurrently(operations: Operations, index: MatryoshkaIndex) -> None:
    is_known(operations, index)
    _drop_index(operations, index, concurrently=True)
    run_statement(operations, definitions.call("call_drop_index", index))


def _drop_index(
    operations: Operations, index: MatryoshkaIndex, *, concurrently: bool = False
) -> None:
    """Drop the index of this table, and leave its column."""
    names = [(_qualified(index), concurrently)]
    if not operations.get_context().as_sql:
        found = run_statement(operations, definitions.call("find_index", index))
        # PostgreSQL cannot drop a partitioned table's index concurrently
        names = [
            (sql.Identifier(schema, name), concurrently and kind == "i")
            for schema, name, kind, _ in found.all()
        ]
    for name, in_background in names:
        run_statement(
            operations, definitions.drop_index(name, concurrently=in_background)
        )


def _replace_concurrently(
    operations: Operations,
    old: MatryoshkaIndex,
    new: MatryoshkaIndex,
    same_column: bool,
    rebuild: Rebuild,
) -> None:
    """Build the new index, then drop the old one; also completes an interrupted run.

    If both have the same name, the new index has another name until the old one is
    gone. If the short column changes and keeps its name, the old column is dropped
    first.
    """
    expressions = "expression" in (old.keep, new.keep)
    if old.short == new.short and not expressions and not same_column:
        _drop_concurrently(operations, old)
        _build(operations, new, rebuild=rebuild)
    elif old.name != new.name:
        _build(operations, new, has_column=same_column, rebuild=rebuild)
        _drop_concurrently(operations, old)
    else:
        temporary = replace(new, name=fit(new.name, "_new"))
        _build(operations, temporary, has_column=same_column, rebuild=rebuild)
        _drop_concurrently(operations, old)
        run_at_once(
            operations,
            definitions.rename_index(_qualified(temporary), new.name),
            definitions.call("call_register", new),
            definitions.call("call_unregister", temporary),
        )


def _qualified(index: MatryoshkaIndex) -> sql.Identifier:
    """The index's name in its table's schema."""
    return sql.Identifier(*filter(None, (index.schema, index.name)))
