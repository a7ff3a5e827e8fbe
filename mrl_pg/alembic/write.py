"""Writes the operations into a revision, with every option that they depend on."""

import textwrap
from typing import Any

from alembic.autogenerate.api import AutogenContext

from mrl_pg.alembic.installation import InstallMrlOp, UninstallMrlOp
from mrl_pg.alembic.operations import (
    CreateMatryoshkaIndexOp,
    DropMatryoshkaIndexOp,
    ResizeMatryoshkaIndexOp,
)
from mrl_pg.alembic.switching import SwitchMatryoshkaIndexOp
from mrl_pg.index import MatryoshkaIndex

BUILT_WITH = ("dims", "kind", "distance", "m", "ef_construction")
"""Options that are always written, because a default may change but a revision not."""


def import_vector_types(context: AutogenContext) -> None:
    """Have a revision import pgvector's types if it names such a type.

    Alembic writes these types with their module, but does not import it. It collects
    the imports while it writes.
    """
    others = context.opts.get("render_item")

    def render_item(kind: str, item: Any, context: AutogenContext) -> str | bool:
        if kind == "type" and type(item).__module__.startswith("pgvector."):
            context.imports.add("import pgvector.sqlalchemy")
        return others(kind, item, context) if others else False

    context.opts["render_item"] = render_item


def create(context: AutogenContext, operation: CreateMatryoshkaIndexOp) -> list[str]:
    """`op.create_matryoshka_index(…)`."""
    written = _write_index(context, "create_matryoshka_index", operation)
    return [*_comment(operation.comment), written]


def drop(context: AutogenContext, operation: DropMatryoshkaIndexOp) -> list[str]:
    """`op.drop_matryoshka_index(…)`."""
    written = _write_index(context, "drop_matryoshka_index", operation)
    return [*_comment(getattr(operation, "comment", "")), written]


def resize(context: AutogenContext, operation: ResizeMatryoshkaIndexOp) -> list[str]:
    """`op.resize_matryoshka_index(…)`."""
    new, given = operation.new, _both(operation)
    written = _call(
        context,
        "resize_matryoshka_index",
        new.table,
        new.column,
        **given,
        **_where(new, operation.concurrently),
        **_allowed(operation),
    )
    return [*_comment(operation.comment), written]


def switch(context: AutogenContext, operation: SwitchMatryoshkaIndexOp) -> str:
    """`op.switch_matryoshka_index(…)`."""
    new = operation.new
    return _call(
        context,
        "switch_matryoshka_index",
        new.table,
        new.column,
        **_both(operation),
        **_where(new, False),
    )


def install(context: AutogenContext, operation: InstallMrlOp) -> str:
    """`op.install_mrl(…)`."""
    return _call(
        context, "install_mrl", operation.version, **_installation_options(operation)
    )


def uninstall(context: AutogenContext, operation: UninstallMrlOp) -> str:
    """`op.uninstall_mrl(…)`."""
    return _call(
        context, "uninstall_mrl", operation.version, **_installation_options(operation)
    )


def _installation_options(operation: InstallMrlOp | UninstallMrlOp) -> dict[str, Any]:
    """Options of an installation besides its version, if they are not the default."""
    given: dict[str, Any] = {"vector": True} if operation.vector else {}
    if operation.existing_version is not None:
        given["existing_version"] = operation.existing_version
    return given


def _both(
    operation: ResizeMatryoshkaIndexOp | SwitchMatryoshkaIndexOp,
) -> dict[str, Any]:
    """Options of the new index, and those of the old one."""
    old = _index_options(operation.old)
    existing = {f"existing_{option}": value for option, value in old.items()}
    return _index_options(operation.new) | existing


def _write_index(
    context: AutogenContext,
    name: str,
    operation: CreateMatryoshkaIndexOp | DropMatryoshkaIndexOp,
) -> str:
    index = operation.index
    where = _where(index, operation.concurrently)
    if isinstance(operation, CreateMatryoshkaIndexOp):
        where |= _allowed(operation)
    return _call(
        context, name, index.table, index.column, **_index_options(index), **where
    )


def _allowed(
    operation: CreateMatryoshkaIndexOp | ResizeMatryoshkaIndexOp,
) -> dict[str, Any]:
    return {"rebuild": operation.rebuild} if operation.rebuild else {}


def _comment(text: str) -> list[str]:
    """Lines of a comment in the body of a function."""
    return textwrap.wrap(text, 84, initial_indent="# ", subsequent_indent="# ")


def _index_options(index: MatryoshkaIndex) -> dict[str, Any]:
    """Options of the index; its names only if they are not the derived names."""
    built = {field: getattr(index, field) for field in BUILT_WITH}
    if index.keep is not None:
        built["keep"] = index.keep
    derived = MatryoshkaIndex(index.table, index.column, **built)
    if index.short != derived.short:
        built["short"] = index.short
        derived = MatryoshkaIndex(index.table, index.column, **built)
    if index.name != derived.name:
        built["name"] = index.name
    return built


def _where(index: MatryoshkaIndex, concurrently: bool) -> dict[str, Any]:
    given: dict[str, Any] = {"schema": index.schema} if index.schema else {}
    return given | ({"concurrently": True} if concurrently else {})


def _call(
    context: AutogenContext, operation: str, /, *arguments: Any, **given: Any
) -> str:
    parts = [repr(argument) for argument in arguments]
    parts += [f"{field}={value!r}" for field, value in given.items()]
    prefix = context.opts.get("alembic_module_prefix") or "op."
    lines = "".join(f"    {part},\n" for part in parts)
    return f"{prefix}{operation}(\n{lines})"
