"""Operations of a revision on a short column, as values that know their inverse."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypedDict

from alembic.operations import MigrateOperation, Operations

from mrl_pg.index import MatryoshkaIndex
from mrl_pg.kinds import Distance, Keep, Kind

if TYPE_CHECKING:
    # in `typing` itself from Python 3.11 on
    from typing_extensions import Unpack

EXISTING = "existing_"
"""Prefix of the keywords that describe the index before a resize."""


class Built(TypedDict, total=False):
    """Options of an index besides its dims, as `MatryoshkaIndex` takes them."""

    kind: Kind
    distance: Distance
    m: int
    ef_construction: int
    short: str
    name: str
    keep: Keep


class Resized(Built, total=False):
    """The same, and the options of the existing index."""

    existing_kind: Kind
    existing_distance: Distance
    existing_m: int
    existing_ef_construction: int
    existing_short: str
    existing_name: str
    existing_keep: Keep


@dataclass(frozen=True)
class CreateMatryoshkaIndexOp(MigrateOperation):
    """Give a table a short column and its HNSW index."""

    index: MatryoshkaIndex
    concurrently: bool = False
    rebuild: bool = False

    @classmethod
    def create_matryoshka_index(
        cls,
        operations: Operations,
        table_name: str,
        column_name: str,
        *,
        dims: int,
        schema: str | None = None,
        concurrently: bool = False,
        rebuild: bool = False,
        **built: "Unpack[Built]",
    ) -> None:
        """Give a table a short column of `dims` dimensions and its HNSW index.

        `keep`: "generated", a column, "trigger", a column that a trigger fills, or
        "expression", an index without a column.

        Lock: ACCESS EXCLUSIVE on the table until the transaction ends, because
        adding the stored column rewrites it. With `concurrently`, the lock ends
        with the rewrite, and the index build does not block writes. Both run in an
        autocommit block, which commits what the revision did before, so write a
        separate revision for it. With `concurrently` and an expression, nobody waits;
        with `concurrently` and a trigger, the lock is held for a moment, and the
        column is filled in batches, which fire the table's triggers on updates.
        Creates only what is missing, so you can run an interrupted revision again.

        `rebuild=True` allows a column although vector indexes of the table are
        rebuilt for it.
        """
        index = MatryoshkaIndex(
            table_name, column_name, dims=dims, schema=schema or "", **built
        )
        operations.invoke(cls(index, concurrently, rebuild))

    def reverse(self) -> "DropMatryoshkaIndexOp":
        """Drop what this operation creates."""
        return DropMatryoshkaIndexOp(self.index, self.concurrently)

    def to_diff_tuple(self) -> tuple[Any, ...]:
        """What `alembic check` prints."""
        return ("add_matryoshka_index", self.index)


@dataclass(frozen=True)
class DropMatryoshkaIndexOp(MigrateOperation):
    """Take a short column and its index from a table."""

    index: MatryoshkaIndex
    concurrently: bool = False

    @classmethod
    def drop_matryoshka_index(
        cls,
        operations: Operations,
        table_name: str,
        column_name: str,
        *,
        dims: int,
        schema: str | None = None,
        concurrently: bool = False,
        **built: "Unpack[Built]",
    ) -> None:
        """Drop a short column and its index; the column stays while others need it.

        Lock: ACCESS EXCLUSIVE on the table for a moment; nothing is rewritten. With
        `concurrently` only dropping the column takes the lock. The index is dropped
        before that, in an autocommit block, which waits for running searches but blocks
        nobody. `m` and `ef_construction` are for the inverse. It is no error if column
        and index are gone already.
        """
        index = MatryoshkaIndex(
            table_name, column_name, dims=dims, schema=schema or "", **built
        )
        operations.invoke(cls(index, concurrently))

    def reverse(self) -> CreateMatryoshkaIndexOp:
        """Create what this operation drops."""
        return CreateMatryoshkaIndexOp(self.index, self.concurrently)

    def to_diff_tuple(self) -> tuple[Any, ...]:
        """What `alembic check` prints."""
        return ("remove_matryoshka_index", self.index)


@dataclass(frozen=True)
class ResizeMatryoshkaIndexOp(MigrateOperation):
    """Replace a short column or its index."""

    old: MatryoshkaIndex
    new: MatryoshkaIndex
    concurrently: bool = False
    rebuild: bool = False

    @classmethod
    def resize_matryoshka_index(
        cls,
        operations: Operations,
        table_name: str,
        column_name: str,
        *,
        dims: int,
        existing_dims: int,
        schema: str | None = None,
        concurrently: bool = False,
        rebuild: bool = False,
        **built: "Unpack[Resized]",
    ) -> None:
        """Change dims, kind, distance, m or ef_construction; no row is embedded again.

        Lock: ACCESS EXCLUSIVE on the table until the transaction ends; a new short
        column rewrites the table. With `concurrently` the new index is built in an
        autocommit block, while searches still use the old index; a new short column
        takes the lock until the table is rewritten. `keep` and `rebuild` are as in
        `create_matryoshka_index`. Does only what is missing, so you can run an
        interrupted revision again.
        """
        new: dict[str, Any] = {"dims": dims}
        old: dict[str, Any] = {"dims": existing_dims}
        for field, value in built.items():
            is_old = field.startswith(EXISTING)
            (old if is_old else new)[field.removeprefix(EXISTING)] = value
        existing, wanted = (
            MatryoshkaIndex(table_name, column_name, schema=schema or "", **given)
            for given in (old, new)
        )
        operations.invoke(cls(existing, wanted, concurrently, rebuild))

    def reverse(self) -> "ResizeMatryoshkaIndexOp":
        """Bring the old short column and index back."""
        return ResizeMatryoshkaIndexOp(
            self.new, self.old, self.concurrently, self.rebuild
        )

    def to_diff_tuple(self) -> tuple[Any, ...]:
        """What `alembic check` prints."""
        return ("modify_matryoshka_index", self.old, self.new)
