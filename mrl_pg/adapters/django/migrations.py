"""Operations of migrations: the schema mrl, and an index on a table in use."""

from typing import Any

from django.db.migrations.operations import AddIndex
from django.db.migrations.operations.base import Operation

from mrl_pg import installation, source
from mrl_pg.errors import InvalidSetting

CONCURRENTLY = (
    "-- Run each statement that this prints by itself, outside a transaction, as "
    "\\gexec does:"
)


class InstallMrl(Operation):
    """Install the schema `mrl`; backwards it is removed, and short columns stay.

    pgvector comes first: `VectorExtension()` of pgvector.django.
    """

    reversible = True
    reduces_to_sql = True

    def state_forwards(self, app_label: str, state: Any) -> None:
        """Models do not change."""

    def database_forwards(
        self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any
    ) -> None:
        """Install it; raises what `mrl_pg.install` raises."""
        _run(schema_editor, "install.sql", installation.install)

    def database_backwards(
        self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any
    ) -> None:
        """Remove it; raises StillInUse while objects of yours use it."""
        _run(schema_editor, "uninstall.sql", installation.uninstall)

    def describe(self) -> str:
        """What `migrate` prints."""
        return "Installs the schema mrl"

    @property
    def migration_name_fragment(self) -> str:
        """Part of the name of a migration."""
        return "install_mrl"


class AddShortIndexConcurrently(AddIndex):
    """Add a ShortIndex without keeping others from writing.

    Its migration needs `atomic = False`. Backwards, the index is dropped in one
    transaction, which takes a moment. If it breaks off, run it again.
    """

    atomic = False

    def describe(self) -> str:
        """What `migrate` prints."""
        return f"Concurrently create short index {self.index.name}"

    def database_forwards(
        self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any
    ) -> None:
        """Run the statements of `mrl.create_index_sql` one by one."""
        model = to_state.apps.get_model(app_label, self.model_name)
        if not self.allow_migrate_model(schema_editor.connection.alias, model):
            return
        if schema_editor.connection.in_atomic_block:
            raise InvalidSetting(
                "AddShortIndexConcurrently cannot run in a transaction: set "
                "atomic = False on the migration"
            )
        call = self.index.create_call("mrl.create_index_sql", model)
        if schema_editor.collect_sql:
            schema_editor.collected_sql += [CONCURRENTLY, f"{call};"]
            return
        with schema_editor.connection.cursor() as cursor:
            cursor.execute(call)
            for (statement,) in cursor.fetchall():
                cursor.execute(statement)


def _run(schema_editor: Any, manifest: str, work: Any) -> None:
    if schema_editor.collect_sql:
        files = source.manifest(manifest)
        schema_editor.collected_sql += [source.read(name) for name in files]
        return
    connection = schema_editor.connection
    connection.ensure_connection()
    with connection.wrap_database_errors:
        work(connection.connection)
