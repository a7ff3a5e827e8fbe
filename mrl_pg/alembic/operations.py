"""What a revision can ask of a short column, as values that know their inverse."""

from dataclasses import dataclass
from typing import Any

from alembic.operations import MigrateOperation, Operations

from mrl_pg.index import MatryoshkaIndex
from mrl_pg.layout import Distance, Kind


@Operations.register_operation("create_matryoshka_index")
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
        kind: Kind = "halfvec",
        distance: Distance = "cosine",
        m: int = 16,
        ef_construction: int = 64,
        schema: str | None = None,
        short: str = "",
        name: str = "",
        concurrently: bool = False,
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
            table_name,
            column_name,
            dims=dims,
            kind=kind,
            distance=distance,
            m=m,
            ef_construction=ef_construction,
            schema=schema or "",
            short=short,
            name=name,
        )
        operations.invoke(cls(index, concurrently))

    def reverse(self) -> "DropMatryoshkaIndexOp":
        """Drop what this creates."""
        return DropMatryoshkaIndexOp(self.index, self.concurrently)

    def to_diff_tuple(self) -> tuple[Any, ...]:
        """What `alembic check` prints."""
        return ("add_matryoshka_index", self.index)


@Operations.register_operation("drop_matryoshka_index")
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
        kind: Kind = "halfvec",
        distance: Distance = "cosine",
        m: int = 16,
        ef_construction: int = 64,
        schema: str | None = None,
        short: str = "",
        name: str = "",
        concurrently: bool = False,
    ) -> None:
        """Drop a short column and its index; the column stays while others need it.

        Lock: ACCESS EXCLUSIVE on the table for a moment; nothing is rewritten. With
        `concurrently` only the column takes it: the index goes before, waiting for the
        searches that run and keeping nobody out, in an autocommit block. `m` and
        `ef_construction` are for the inverse. What is gone already is no error.
        """
        index = MatryoshkaIndex(
            table_name,
            column_name,
            dims=dims,
            kind=kind,
            distance=distance,
            m=m,
            ef_construction=ef_construction,
            schema=schema or "",
            short=short,
            name=name,
        )
        operations.invoke(cls(index, concurrently))

    def reverse(self) -> CreateMatryoshkaIndexOp:
        """Create what this drops."""
        return CreateMatryoshkaIndexOp(self.index, self.concurrently)

    def to_diff_tuple(self) -> tuple[Any, ...]:
        """What `alembic check` prints."""
        return ("remove_matryoshka_index", self.index)


@Operations.register_operation("resize_matryoshka_index")
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
        kind: Kind = "halfvec",
        distance: Distance = "cosine",
        m: int = 16,
        ef_construction: int = 64,
        short: str = "",
        name: str = "",
        existing_dims: int,
        existing_kind: Kind = "halfvec",
        existing_distance: Distance = "cosine",
        existing_m: int = 16,
        existing_ef_construction: int = 64,
        existing_short: str = "",
        existing_name: str = "",
        schema: str | None = None,
        concurrently: bool = False,
    ) -> None:
        """Change dims, kind, distance, m or ef_construction; no row is embedded again.

        Lock: ACCESS EXCLUSIVE on the table until the transaction ends; another short
        column rewrites the table. With `concurrently` the new index is built beside
        the old one, which answers until then, in an autocommit block; another short
        column takes the lock for as long as its rewrite lasts. Does what is missing,
        so a revision that broke off can be run again.
        """
        old = MatryoshkaIndex(
            table_name,
            column_name,
            dims=existing_dims,
            kind=existing_kind,
            distance=existing_distance,
            m=existing_m,
            ef_construction=existing_ef_construction,
            schema=schema or "",
            short=existing_short,
            name=existing_name,
        )
        new = MatryoshkaIndex(
            table_name,
            column_name,
            dims=dims,
            kind=kind,
            distance=distance,
            m=m,
            ef_construction=ef_construction,
            schema=schema or "",
            short=short,
            name=name,
        )
        operations.invoke(cls(old, new, concurrently))

    def reverse(self) -> "ResizeMatryoshkaIndexOp":
        """Put the old one back."""
        return ResizeMatryoshkaIndexOp(self.new, self.old, self.concurrently)

    def to_diff_tuple(self) -> tuple[Any, ...]:
        """What `alembic check` prints."""
        return ("modify_matryoshka_index", self.old, self.new)
