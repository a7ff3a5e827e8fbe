"""What a revision can ask of a short column, as values that know their inverse."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypedDict

from alembic.operations import MigrateOperation, Operations

from mrl_pg.index import MatryoshkaIndex
from mrl_pg.kinds import Distance, Kind

if TYPE_CHECKING:
    # typing's own from Python 3.11 on
    from typing_extensions import Unpack

EXISTING = "existing_"
"""Begins the keywords of what a resize finds."""


class Built(TypedDict, total=False):
    """What an index may be besides its dims, as `MatryoshkaIndex` takes it."""

    kind: Kind
    distance: Distance
    m: int
    ef_construction: int
    short: str
    name: str


class Resized(Built, total=False):
    """The same of the one that is there as well."""

    existing_kind: Kind
    existing_distance: Distance
    existing_m: int
    existing_ef_construction: int
    existing_short: str
    existing_name: str


@dataclass(frozen=True)
class CreateMatryoshkaIndexOp(MigrateOperation):
    """Give a table a short column and its HNSW index."""

    index: MatryoshkaIndex
    concurrently: bool = False

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
        **built: "Unpack[Built]",
    ) -> None:
        """Give a table a short column of `dims` dimensions and its HNSW index.

        Lock: ACCESS EXCLUSIVE on the table until the transaction ends, because
        adding the stored column rewrites it. With `concurrently` the column takes
        that lock for as long as the rewrite lasts, and the index is built without
        keeping writes out, in an autocommit block: what the revision did before is
        committed, so give it a revision of its own. Does what is missing, so a
        revision that broke off can be run again.
        """
        index = MatryoshkaIndex(
            table_name, column_name, dims=dims, schema=schema or "", **built
        )
        operations.invoke(cls(index, concurrently))

    def reverse(self) -> "DropMatryoshkaIndexOp":
        """Drop what this creates."""
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
        `concurrently` only the column takes it: the index goes before, waiting for the
        searches that run and keeping nobody out, in an autocommit block. `m` and
        `ef_construction` are for the inverse. What is gone already is no error.
        """
        index = MatryoshkaIndex(
            table_name, column_name, dims=dims, schema=schema or "", **built
        )
        operations.invoke(cls(index, concurrently))

    def reverse(self) -> CreateMatryoshkaIndexOp:
        """Create what this drops."""
        return CreateMatryoshkaIndexOp(self.index, self.concurrently)

    def to_diff_tuple(self) -> tuple[Any, ...]:
        """What `alembic check` prints."""
        return ("remove_matryoshka_index", self.index)


@dataclass(frozen=True)
class ResizeMatryoshkaIndexOp(MigrateOperation):
    """Put another short column or index in the place of one."""

    old: MatryoshkaIndex
    new: MatryoshkaIndex
    concurrently: bool = False

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
        **built: "Unpack[Resized]",
    ) -> None:
        """Change dims, kind, distance, m or ef_construction; no row is embedded again.

        Lock: ACCESS EXCLUSIVE on the table until the transaction ends; another short
        column rewrites the table. With `concurrently` the new index is built beside
        the old one, which answers until then, in an autocommit block; another short
        column takes the lock for as long as its rewrite lasts. Does what is missing,
        so a revision that broke off can be run again.
        """
        new: dict[str, Any] = {"dims": dims}
        old: dict[str, Any] = {"dims": existing_dims}
        for field, value in built.items():
            is_old = field.startswith(EXISTING)
            (old if is_old else new)[field.removeprefix(EXISTING)] = value
        there, wanted = (
            MatryoshkaIndex(table_name, column_name, schema=schema or "", **given)
            for given in (old, new)
        )
        operations.invoke(cls(there, wanted, concurrently))

    def reverse(self) -> "ResizeMatryoshkaIndexOp":
        """Put the old one back."""
        return ResizeMatryoshkaIndexOp(self.new, self.old, self.concurrently)

    def to_diff_tuple(self) -> tuple[Any, ...]:
        """What `alembic check` prints."""
        return ("modify_matryoshka_index", self.old, self.new)
