"""On which versions of PostgreSQL a test runs, and where these come from.

Every test runs on the newest version. Tests in the folders of EVERY_VERSION, and tests
with the mark `every_version`, run on older ones, too, if these are asked for: what they
test depends on the server, because it is SQL, plans, catalogs, rights, or programs of
PostgreSQL. The other tests are of Python, which sends the same statements whatever the
server is.
"""

import subprocess
from collections import Counter
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from mrl_pg.server import VERSIONS, programs

EVERY_VERSION = (
    *("build", "calibration", "catalog", "install", "interfaces", "parts"),
    *("rights", "search", "server", "sql", "tenants"),
)

one_version = pytest.mark.one_version
"""A mark for tests in these folders that need no older server."""


def add_options(parser: pytest.Parser) -> None:
    """The options of pytest that say where tests run."""
    group = parser.getgroup("PostgreSQL")
    group.addoption(
        "--dsn",
        help="run tests of databases on this server, as a superuser, who makes"
        " databases test_… and roles there; without it, servers are started",
    )
    group.addoption(
        "--pg-bin",
        type=Path,
        help="folder of PostgreSQL's programs, as /usr/lib/postgresql/15/bin, to start"
        " servers with, instead of the embedded ones; pgvector must be installed there",
    )
    group.addoption(
        "--every-version",
        action="store_true",
        help="run tests that depend on the server on every embedded version; without"
        " it, all tests run on the newest alone",
    )
    group.addoption(
        "--thin",
        action="store_true",
        help="run each test with every third set of its parameters, beginning with the"
        " first: enough on a second server",
    )


def choose(config: pytest.Config) -> tuple[int, ...]:
    """Versions to be tested, the main one first; raises UsageError."""
    dsn, folder = config.getoption("dsn"), config.getoption("pg_bin")
    found = None
    if folder is not None:
        found = version_of(folder)
        programs.VERSIONS = (found, *VERSIONS)  # type: ignore[assignment]
        programs.pgserver().POSTGRES_VERSIONS[found] = folder.resolve()
    if dsn is None:
        if found is not None:
            return (found,)
        return VERSIONS if config.getoption("every_version") else VERSIONS[:1]
    if (getattr(config.option, "numprocesses", None) or 0) > 1:
        raise pytest.UsageError("--dsn: tests share its roles, so run them with -n 0")
    version = check_server(dsn)
    if version not in programs.VERSIONS:
        raise pytest.UsageError(
            f"--dsn: PostgreSQL {version}, whose pg_dump and psql are not embedded: "
            "name its programs, too, as --pg-bin /usr/lib/postgresql/"
            f"{version}/bin"
        )
    return (version,)


def may_hold(file: Path) -> bool:
    """Whether a file may hold a test for every version."""
    return file.parent.name in EVERY_VERSION or "every_version" in file.read_text()


def thin(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect two of three sets of parameters of each test."""
    seen: Counter[tuple[Path, str]] = Counter()
    chosen: list[pytest.Item] = []
    left_out: list[pytest.Item] = []
    for item in items:
        test = item.path, item.name.partition("[")[0]
        (left_out if seen[test] % 3 else chosen).append(item)
        seen[test] += 1
    items[:] = chosen
    config.hook.pytest_deselected(items=left_out)


def version_of(folder: Path) -> int:
    """Version of the programs in a folder, which must have pgvector beside them."""
    try:
        said = [
            subprocess.run(
                [folder / program, option], capture_output=True, text=True, check=True
            ).stdout.strip()
            for program, option in (("postgres", "-V"), ("pg_config", "--sharedir"))
        ]
    except (OSError, subprocess.CalledProcessError) as error:
        raise pytest.UsageError(
            f"--pg-bin {folder}: {error}: name the folder of postgres and pg_config"
        ) from error
    control = Path(said[1], "extension", "vector.control")
    if not control.exists():
        raise pytest.UsageError(f"--pg-bin {folder}: no pgvector: {control} is missing")
    return int(said[0].split()[-1 if ")" not in said[0] else 2].split(".")[0])


def check_server(dsn: str) -> int:
    """Version of a server, which must have pgvector and give us all rights."""
    try:
        with psycopg.connect(dsn, connect_timeout=10) as conn:
            ((version, superuser, pgvector),) = conn.execute(
                "select current_setting('server_version_num')::int / 10000, rolsuper,"
                " exists (select from pg_available_extensions where name = 'vector')"
                " from pg_roles where rolname = current_user"
            ).fetchall()
    except psycopg.Error as error:
        raise pytest.UsageError(f"--dsn: {error}") from error
    if not superuser:
        user = conninfo_to_dict(dsn).get("user", "the user")
        raise pytest.UsageError(f"--dsn: {user} is not a superuser")
    if not pgvector:
        raise pytest.UsageError("--dsn: pgvector is not installed on this server")
    return int(version)
