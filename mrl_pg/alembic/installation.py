"""The operations that install and remove the database side, as values."""

from dataclasses import dataclass
from typing import Any

from alembic.operations import MigrateOperation, Operations

from mrl_pg.installation import VERSION


@dataclass(frozen=True)
class InstallMrlOp(MigrateOperation):
    """Install or upgrade the database side."""

    version: str = VERSION
    vector: bool = False
    existing_version: str | None = None

    @classmethod
    def install_mrl(
        cls,
        operations: Operations,
        version: str = VERSION,
        *,
        vector: bool = False,
        existing_version: str | None = None,
    ) -> None:
        """Install the `mrl` schema, unless this version or a newer version is there.

        `vector` creates the extension pgvector before it, if it is missing.
        `existing_version`, from which an upgrade starts, is for the inverse.

        Lock: none on any table of yours; ACCESS EXCLUSIVE on `mrl.registry` for a
        moment when an older version is upgraded. Nothing is rewritten.
        """
        operations.invoke(cls(version, vector, existing_version))

    def reverse(self) -> "UninstallMrlOp":
        """Remove the schema, or go back to `existing_version`; pgvector stays."""
        return UninstallMrlOp(self.version, self.vector, self.existing_version)

    def to_diff_tuple(self) -> tuple[Any, ...]:
        """What `alembic check` prints."""
        return ("install_mrl", self.version)


@dataclass(frozen=True)
class UninstallMrlOp(MigrateOperation):
    """Remove the database side, or bring it back to an older version."""

    version: str = VERSION
    vector: bool = False
    existing_version: str | None = None

    @classmethod
    def uninstall_mrl(
        cls,
        operations: Operations,
        version: str = VERSION,
        *,
        vector: bool = False,
        existing_version: str | None = None,
    ) -> None:
        """Remove the `mrl` schema; short columns and their indexes stay and work.

        With `existing_version`, go back to that version instead, which keeps the
        registry. `version` is removed. `vector` is for the inverse; pgvector stays.
        PostgreSQL refuses while a function of yours uses the schema.

        Lock: ACCESS EXCLUSIVE on `mrl.registry`; none on any table of yours.
        """
        operations.invoke(cls(version, vector, existing_version))

    def reverse(self) -> InstallMrlOp:
        """Install it again."""
        return InstallMrlOp(self.version, self.vector, self.existing_version)

    def to_diff_tuple(self) -> tuple[Any, ...]:
        """What `alembic check` prints."""
        return ("uninstall_mrl", self.version)
