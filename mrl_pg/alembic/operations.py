"""Operations of a revision on a short column, as values that know their inverse."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeAlias, TypedDict

from alembic.operations import MigrateOperation, Operations

from mrl_pg.alembic.beside import column_of
from mrl_pg.index import MatryoshkaIndex
from mrl_pg.kinds import Distance, Keep, Kind

if TYPE_CHECKING:
    # in `typing` itself from Python 3.11 on
    from typing_extensions import Unpack

Rebuild: TypeAlias = 'bool | Literal["short"]'
"""Whether a column may rebuild vector indexes; "short": those of short columns."""

EXISTING = "existing_"
"""Prefix of the keywords that describe the index before a resize."""


REWRITES = (
    " The new column rewrites the table and builds the old index again, and nobody "
    'reads or writes meanwhile: on a large table, declare keep="trigger" or '
    'keep="expression", with mrl_concurrently=True.'
)
"""Said of a generated column beside an index."""


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
    rebuild: Rebuild = False
    comment: str = field(default="", compare=False)

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
        rebuild: Rebuild = False,
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
        rebuilt for it, and `rebuild="short"` if all of them are on short columns.
        """
        index = MatryoshkaIndex(
            table_name, column_name, dims=dims, schema=schema or "", **built
        )
        operations.invoke(cls(index, concurrently, rebuild))

    def reverse(self) -> "DropMatryoshkaIndexOp":
        """Drop what this operation creates."""
        return DropMatryoshkaIndexOp(self.index, self.concurrently)

    def expands(self, old: Sequence[MatryoshkaIndex]) -> "CreateMatryoshkaIndexOp":
        """The same, beside old indexes, which a later revision drops."""
        left = " and ".join(f"{index} (index {index.name})" for index in old)
        comment = (
            f"Expand: {left} stays, because running code may search by it. As soon as "
            "no such code runs, have autogenerate write the next revision, which drops "
            "it."
        )
        rebuild: Rebuild = self.rebuild
        if _rewrites(self.index, old):
            rebuild = rebuild or "short"
            comment += REWRITES
        return replace(self, rebuild=rebuild, comment=comment)

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
class ContractMatryoshkaIndexOp(DropMatryoshkaIndexOp):
    """Drop an index that no model declares any more, beside one that replaced it.

    `alembic check` does not count it, because it waits until no old code runs.
    """

    # to `alembic check` an operation with `ops` is a list of operations
    ops: ClassVar[tuple[MigrateOperation, ...]] = ()

    @property
    def comment(self) -> str:
        """What a revision says above it."""
        return (
            "Contract: run this when no code with the old declaration runs any more, "
            "because such code fails from here on."
        )

    def reverse(self) -> CreateMatryoshkaIndexOp:
        """Create what this operation drops, beside what replaced it."""
        created = CreateMatryoshkaIndexOp(self.index, self.concurrently)
        if self.index.keep in (None, "generated"):
            return replace(created, rebuild="short")
        return created


@dataclass(frozen=True)
class ResizeMatryoshkaIndexOp(MigrateOperation):
    """Replace a short column or its index."""

    old: MatryoshkaIndex
    new: MatryoshkaIndex
    concurrently: bool = False
    rebuild: Rebuild = False
    comment: str = field(default="", compare=False)

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
        rebuild: Rebuild = False,
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
        existing, wanted = old_and_new(
            table_name, column_name, dims, existing_dims, schema, built
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


def old_and_new(
    table: str,
    column: str,
    dims: int,
    existing_dims: int,
    schema: str | None,
    built: Resized,
) -> tuple[MatryoshkaIndex, MatryoshkaIndex]:
    """The existing index and the wanted one, from the keywords of an operation."""
    new: dict[str, Any] = {"dims": dims}
    old: dict[str, Any] = {"dims": existing_dims}
    for option, value in built.items():
        is_old = option.startswith(EXISTING)
        (old if is_old else new)[option.removeprefix(EXISTING)] = value
    return (
        MatryoshkaIndex(table, column, schema=schema or "", **old),
        MatryoshkaIndex(table, column, schema=schema or "", **new),
    )


def _rewrites(index: MatryoshkaIndex, old: Sequence[MatryoshkaIndex]) -> bool:
    """Whether a new generated column is added, beside old ones."""
    shared = any(column_of(index) == column_of(other) for other in old)
    return index.keep in (None, "generated") and not shared
