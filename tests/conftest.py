"""Databases for tests: a server of each version, and a fresh database for each test."""

import gc
import os
import sys

# Set before NumPy is imported. If each core runs a process of tests, NumPy's threads
# wait for one another in busy loops. Tests of recall took 30 s of CPU instead of 10 s.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
# Read when haystack is imported. Otherwise it would call its makers' server.
os.environ["HAYSTACK_TELEMETRY_ENABLED"] = "False"

from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack
from functools import cache, partial
from importlib.util import find_spec
from pathlib import Path

import psycopg
import pytest
from hypothesis import settings
from psycopg import sql
from support import compiled
from support.databases import SETTINGS, TEMPLATE, Server, connect, url_of
from support.folders import temporary_folder
from support.reused import reused, session
from support.versions import EVERY_VERSION, add_options, choose, may_hold, thin

from mrl_pg import install, server
from mrl_pg.demo import corpus
from mrl_pg.server import EmbeddedServer

# An example is late on a busy machine, and then the test fails once and not again.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

VERSIONS = pytest.StashKey[tuple[int, ...]]()

LONG = {
    *("test_alembic_autogenerate", "test_alembic_expand", "test_alembic_failures"),
    *("test_bench_run", "test_demo", "test_docs_alembic", "test_docs_live"),
    *("test_docs_recall", "test_examples", "test_fuzz", "test_killed", "test_report"),
    *("test_server", "test_tune", "test_tune_memory"),
}
"""Files that take long, so they start first."""

TRAINS = "test_train_model.py"
"""Trains models, which needs the extra `train`."""

# ------------------------------------------------------------------ which versions


def pytest_addoption(parser: pytest.Parser) -> None:
    add_options(parser)


def pytest_configure(config: pytest.Config) -> None:
    config.stash[VERSIONS] = choose(config)
    if config.getoption("dsn") or config.getoption("pg_bin"):
        # every install and create raises it on a pgvector with known faults
        ignored = "ignore::mrl_pg.errors.PgvectorWarning"
        config.addinivalue_line("filterwarnings", ignored)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave out what needs torch; with `-m every_version`, files without such a test.

    A skipped test would ask for something to be repaired; `.ci/train` runs it.
    """
    if collection_path.name == TRAINS and find_spec("datasets") is None:
        return True
    only = config.getoption("markexpr") == "every_version"
    test = collection_path.match("test_*.py")
    return True if only and test and not may_hold(collection_path) else None


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test of a database on the first server, or on every server."""
    if "pg_version" not in metafunc.fixturenames:
        return
    versions = metafunc.config.stash[VERSIONS]
    if not on_every_version(metafunc.definition):
        versions = versions[:1]
    ids = [f"pg{version}" for version in versions]
    metafunc.parametrize(
        "pg_version", versions, ids=ids, indirect=True, scope="session"
    )


def pytest_collection_modifyitems(
    config: pytest.Config, items: list[pytest.Item]
) -> None:
    """Mark tests for `-m every_version`, and start the long files first."""
    if config.getoption("thin"):
        thin(config, items)
    items.sort(key=lambda item: item.path.stem not in LONG)
    for item in items:
        if "pg_version" in getattr(item, "fixturenames", ()) and on_every_version(item):
            item.add_marker("every_version")


@pytest.hookimpl(wrapper=True)
def pytest_collection(session: pytest.Session) -> Generator[None, object, object]:
    """Keep what is collected out of the garbage collector's rounds, now and later.

    It would look through all modules and thousands of tests again and again: a third of
    the time of collecting, and a tenth of what Python does after that.
    """
    gc.disable()
    try:
        with compiled.once(session.config):
            return (yield)
    finally:
        gc.collect()
        gc.freeze()
        gc.enable()


def on_every_version(item: pytest.Item) -> bool:
    """Whether a test also runs on older servers; `support.versions` explains when."""
    if item.get_closest_marker("one_version"):
        return False
    here = Path(__file__).parent in item.path.parents
    listed = here and item.path.parent.name in EVERY_VERSION
    return listed or item.get_closest_marker("every_version") is not None


@pytest.fixture(scope="session")
def pg_version(request: pytest.FixtureRequest) -> int:
    """Major version of PostgreSQL."""
    version: int = request.param
    return version


# ------------------------------------------------------------------ servers


@pytest.fixture(scope="session", autouse=True)
def clean_environment() -> Iterator[None]:
    """Remove variables of the developer that would choose the server of a test."""
    with pytest.MonkeyPatch.context() as patch:
        for name in list(os.environ):
            if name.startswith("PG") or name in ("DATABASE_URL", "XDG_RUNTIME_DIR"):
                patch.delenv(name)
        yield


@pytest.fixture(scope="session", autouse=True)
def corpus_read_once() -> Iterator[None]:
    """Keep the demo's corpus once it has been read, which takes 0.6 s of CPU."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(corpus, "_read", cache(corpus._read))
        yield


@pytest.fixture(scope="session")
def prepared(
    clean_environment: None, pytestconfig: pytest.Config
) -> Iterator[Callable[[int], Server]]:
    """The server of a version, started when first needed, and removed at the end.

    `pg_server` does not start it, because pytest ends that fixture at each change of
    version, which is twice in a file.
    """
    dsn: str | None = pytestconfig.getoption("dsn")
    with ExitStack() as stack:
        yield cache(partial(prepare, stack, dsn))


def prepare(stack: ExitStack, dsn: str | None, version: int) -> Server:
    """A server with the database that is copied for each test."""
    if dsn is not None:
        admin = stack.enter_context(connect(dsn))
        made = Server(url_of(dsn), version, admin)
    else:
        # Not pytest's own folder, because pytest closes it to the server's user again.
        folder = stack.enter_context(temporary_folder()) / f"pg{version}"
        settings = dict(SETTINGS)
        if version >= 18 and sys.platform != "win32":
            # a quarter less of CPU for a fresh database
            settings["file_copy_method"] = "clone"
        running = stack.enter_context(
            server.embedded(folder, version, settings=settings)
        )
        admin = stack.enter_context(connect(running.url()))
        made = Server(running.url(), version, admin, running)
    name = sql.Identifier(TEMPLATE)
    admin.execute(sql.SQL("create database {} template template0").format(name))
    if dsn is not None:
        stack.callback(admin.execute, sql.SQL("drop database {}").format(name))
        stack.callback(made.drop_templates)
    with connect(made.url(TEMPLATE)) as conn:
        conn.execute("create extension vector")
        install(conn)
    return made


@pytest.fixture(scope="session")
def pg_server(pg_version: int, prepared: Callable[[int], Server]) -> Server:
    """A server for the session, with settings for tests."""
    return prepared(pg_version)


@pytest.fixture(scope="session")
def embedded_server(pg_server: Server) -> EmbeddedServer:
    """The same server, for tests that read its folder or its settings."""
    if pg_server.embedded is None:
        pytest.skip("this is about a server that the tests start, not about --dsn")
    return pg_server.embedded


@pytest.fixture(scope="session")
def admin(pg_server: Server) -> psycopg.Connection:
    """A superuser's connection to `postgres`."""
    return pg_server.admin


# ------------------------------------------------------------------ databases


@pytest.fixture
def database(request: pytest.FixtureRequest, pg_server: Server) -> Iterator[str]:
    """Connection string of a database as new, with pgvector and mrl installed."""
    with reused(pg_server, request.node.nodeid.split("::")[0]) as url:
        yield url


@pytest.fixture
def bare_database(pg_server: Server) -> Iterator[str]:
    """Connection string of a fresh database without pgvector or mrl."""
    with pg_server.fresh("template0") as url:
        yield url


@pytest.fixture
def conn(database: str) -> Iterator[psycopg.Connection]:
    """An autocommit connection to `database`."""
    with session(database) as connection:
        yield connection
