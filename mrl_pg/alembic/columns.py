"""Has `op.add_column` also create the short columns that its Column declares."""

from alembic.operations import BatchOperations, Operations, ops, toimpl

from mrl_pg.alembic.operations import CreateMatryoshkaIndexOp
from mrl_pg.errors import InvalidSetting
from mrl_pg.sqlalchemy.declare import declarations


class AddDeclaredColumnOp(ops.AddColumnOp):
    """`op.add_column`: adds a column, and the short columns that it declares."""


def add_column(operations: Operations, operation: AddDeclaredColumnOp) -> None:
    """Add the column as Alembic does, then its short columns and their indexes."""
    column = operation.column
    declared = declarations(column)
    if declared and isinstance(operations, BatchOperations):
        raise InvalidSetting(
            f"column {column.name!r} declares a short column, which a batch cannot "
            "create yet: leave Matryoshka(…) out there, and call "
            "op.create_matryoshka_index after the batch"
        )
    toimpl.add_column(operations, operation)
    for declaration in declared:
        index = declaration.on(
            operation.table_name, column.name, operation.schema or ""
        )
        operations.invoke(CreateMatryoshkaIndexOp(index))
