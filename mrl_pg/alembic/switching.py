"""`op.switch_matryoshka_index`: which index searches use that name none."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from alembic.operations import MigrateOperation, Operations

from mrl_pg.alembic.operations import Resized, old_and_new
from mrl_pg.index import MatryoshkaIndex

if TYPE_CHECKING:
    # in `typing` itself from Python 3.11 on
    from typing_extensions import Unpack


@dataclass(frozen=True)
class SwitchMatryoshkaIndexOp(MigrateOperation):
    """Have searches that name no index of a column use another one."""

    old: MatryoshkaIndex
    new: MatryoshkaIndex

    @classmethod
    def switch_matryoshka_index(
        cls,
        operations: Operations,
        table_name: str,
        column_name: str,
        *,
        dims: int,
        existing_dims: int,
        schema: str | None = None,
        **built: "Unpack[Resized]",
    ) -> None:
        """Have searches that name no dims, kind or index use another index.

        Those are searches from SQL, by `MatryoshkaColumn` and by `mrl-pg`. A search by
        a SQLAlchemy model uses the index that the model declares. Both indexes must be
        there, and stay; the existing one is for the inverse.

        Lock: none on the table; nothing is built or rewritten.
        """
        existing, wanted = old_and_new(
            table_name, column_name, dims, existing_dims, schema, built
        )
        operations.invoke(cls(existing, wanted))

    def reverse(self) -> "SwitchMatryoshkaIndexOp":
        """Have them use the existing index again."""
        return SwitchMatryoshkaIndexOp(self.new, self.old)

    def to_diff_tuple(self) -> tuple[Any, ...]:
        """What `alembic check` would print; autogenerate writes no switch."""
        return ("switch_matryoshka_index", self.old, self.new)
