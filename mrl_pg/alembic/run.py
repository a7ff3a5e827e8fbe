"""Runs SQL inside a revision, or with --sql prints it, byte for byte."""

import logging
from typing import Any

from psycopg import sql

from mrl_pg import source
from mrl_pg.alembic.origin import Operations, remember
from mrl_pg.errors import InvalidSetting
from mrl_pg.sqlalchemy.create import installed_version, numbers
from mrl_pg.sqlalchemy.driver import send, send_script

log = logging.getLogger(__name__)


def install_release(operations: Operations, version: str) -> None:
    """Run every file of one release, unless the database has it or a newer release.

    A database that psql or `mrl_pg.install` upgraded further stays as it is. A comment
    remembers that, so that the downgrade leaves it, too. The text goes to the server,
    or with --sql to the output, byte for byte. Raises InvalidSetting for a
    release that is not in this package.
    """
    check_release(version)
    if not operations.get_context().as_sql:
        found = installed_version(operations.get_bind())
        if found is not None and numbers(found) >= numbers(version):
            log.warning("mrl_pg %s is there: %s is not installed", found, version)
            remember(operations, found)
            return
        if found is None:
            remember(operations, None)
    run_manifest(operations, f"releases/{version}.sql")


def remove_releases(operations: Operations, version: str, existing: str) -> None:
    """Undo the releases after `existing` up to `version`, the newest first."""
    check_release(version)
    check_release(existing)
    for release in reversed(source.releases()):
        if numbers(existing) < numbers(release) <= numbers(version):
            run_manifest(operations, f"releases/{release}.down.sql")


def check_release(version: str) -> None:
    """Raise InvalidSetting for a release that is not in this package."""
    known = source.releases()
    if version not in known:
        raise InvalidSetting(
            f"version={version!r} is not in this mrl_pg, which has {', '.join(known)}: "
            "give one of these, or upgrade the package"
        )


def run_manifest(operations: Operations, name: str) -> None:
    """Run every file that a manifest such as `uninstall.sql` names, in order."""
    for part in source.manifest(name):
        run_script(operations, source.read(part))


def run_statement(operations: Operations, statement: sql.Composed) -> Any:
    """Run one rendered statement; its result, or None with --sql."""
    text = statement.as_string()
    if operations.get_context().as_sql:
        return run_verbatim(operations, text + ";")
    return run_verbatim(operations, text)


def run_at_once(operations: Operations, *statements: sql.Composed) -> None:
    """Run statements in a transaction of their own, inside an autocommit block."""
    texts = [statement.as_string() + ";" for statement in statements]
    if operations.get_context().as_sql:
        texts = ["begin;", *texts, "commit;"]
    run_script(operations, "\n\n".join(texts))


def run_script(operations: Operations, text: str) -> None:
    """Send several statements as they are, in one text and one transaction."""
    context = operations.get_context()
    if context.as_sql:
        context.impl.static_output(text)
    else:
        send_script(operations.get_bind(), text)


def run_verbatim(operations: Operations, text: str) -> Any:
    """Send a statement as it is: neither `:name` nor `%` in it means anything."""
    context = operations.get_context()
    if context.as_sql:
        context.impl.static_output(text)
        return None
    return send(operations.get_bind(), text)
