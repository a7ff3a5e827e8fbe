"""`create extension mrl_pg`: it makes what psql makes, and moves with a dump."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from support import strangers
from support.command import mrl_pg
from support.databases import SETTINGS, Server, connect, role
from support.folders import temporary_folder
from support.installs import SQL, Conn, alembic, by_psql, catalog, psql
from support.plans import explain, first_pass, force_index
from support.servers import index_scans, run
from support.tables import make_table
from support.vectors import matryoshka, nearest

from mrl_pg import MatryoshkaIndex, install, server
from mrl_pg.errors import NotInstalled
from mrl_pg.installation import VERSION
from mrl_pg.server.programs import pgserver

OWNER = "extension_owner"
VECTORS = matryoshka(400)
QUERY = VECTORS[6] + VECTORS[7]
INDEX = MatryoshkaIndex("docs", "embedding", dims=32)
SEARCH = (
    "select id from mrl.search(null::docs, 'embedding', %s::vector, candidates => 400)"
)
MAKE_FUNCTION = (
    "select mrl.create_search_function("
    "'search_docs', 'docs', 'embedding', candidates => 400)"
)
FUNCTION = "select id from search_docs(%s::vector, 5)"
REGISTRY = "select * from mrl.registry order by index_name"
VIEW = "select index_name, m, ef_construction, usable from mrl.indexes"
MEASURED = (
    "select * from mrl.calibrations order by candidates, ef_search",
    "select * from mrl.measurements",
    "select * from mrl._queries_1 order by slot",
)
OUTSIDE = (
    "select pg_describe_object(classid, objid, 0) from ("
    "select 'pg_namespace'::regclass::oid, oid from pg_namespace where nspname = 'mrl' "
    "union all select 'pg_proc'::regclass, oid from pg_proc "
    "where pronamespace = 'mrl'::regnamespace "
    "union all select 'pg_class'::regclass, oid from pg_class "
    "where relnamespace = 'mrl'::regnamespace and relkind in ('r', 'v')"
    ") as made (classid, objid) where not exists ("
    "select from pg_depend join pg_extension as extension on extension.oid = refobjid "
    "where pg_depend.classid = made.classid and pg_depend.objid = made.objid "
    "and refclassid = 'pg_extension'::regclass and deptype = 'e' "
    "and extname = 'mrl_pg')"
)
"""Objects of the schema that do not belong to the extension."""


@pytest.fixture(scope="module")
def extended(pg_version: int, clean_environment: None) -> Iterator[Server]:
    """A server from a copy of PostgreSQL that has the extension."""
    programs = server.bin_dir(pg_version)
    shared = Path(run(pg_version, "pg_config", "--sharedir").strip())
    installed = Path(os.path.commonpath([programs, shared]))
    if installed == Path("/usr"):
        pytest.skip("this PostgreSQL has no folder of its own that could be copied")
    package = installed.parent
    with temporary_folder() as folder, pytest.MonkeyPatch.context() as patch:
        folder.chmod(0o711)
        copy = folder / package.name / installed.name
        shutil.copytree(installed, copy, symlinks=True)
        # libraries of psql and pg_dump, found by the way to them
        libraries = package.with_name(f"{package.name}.libs")
        if libraries.exists():
            shutil.copytree(libraries, folder / libraries.name)
        moved = copy / programs.relative_to(installed)
        patch.setitem(pgserver().POSTGRES_VERSIONS, pg_version, moved)
        build(Path(run(pg_version, "pg_config", "--sharedir").strip()) / "extension")
        with (
            server.embedded(folder / "data", pg_version, settings=SETTINGS) as running,
            connect(running.url()) as admin,
        ):
            yield Server(running.url(), pg_version, admin, running)


def build(folder: Path) -> list[str]:
    """Write the extension's files as `make extension` does; their names."""
    done = mrl_pg("extension", folder)
    assert done.returncode == 0, done.stderr
    return [Path(line).name for line in done.stdout.splitlines()]


@pytest.fixture
def two_databases(extended: Server) -> Iterator[tuple[str, str]]:
    """Two databases with pgvector in which an ordinary role may create schemas."""
    with (
        extended.fresh("template0") as one,
        extended.fresh("template0") as other,
    ):
        urls = []
        for url in (one, other):
            with connect(url) as conn:
                conn.execute("create extension vector")
                urls.append(role(conn, url, OWNER))
                conn.execute(f"grant create on schema public to {OWNER}".encode())
                name = conn.info.dbname
                conn.execute(f"grant create on database {name} to {OWNER}".encode())
        yield urls[0], urls[1]


def superuser(url: str) -> str:
    return make_conninfo(url, user="postgres")


def fill(conn: Conn) -> None:
    """A table with an index and a search function, all in SQL."""
    make_table(conn, VECTORS)
    conn.execute("select mrl.create_index('docs', 'embedding', dims => 32)")
    conn.execute(MAKE_FUNCTION)
    conn.execute("analyze docs")
    conn.execute("select mrl.calibrate('docs', 'embedding', sample => 5)")
    conn.execute("select mrl.sample_queries('docs', 'embedding', 1, 3)")
    conn.execute(
        "select mrl.keep_query('docs', 'embedding', %s)", [str(QUERY.tolist())]
    )
    conn.execute("select mrl.recall('docs', 'embedding', sample => 3, keep => true)")


def assert_answers(url: str) -> None:
    """SQL, the function and Python answer by the index, in a fresh session."""
    wanted = nearest(VECTORS, QUERY)
    query = str(QUERY.tolist())
    with connect(url) as conn:
        force_index(conn)
        found = conn.execute(SEARCH, [query]).fetchall()
        assert [key for (key,) in found] == wanted
        assert index_scans(conn, INDEX.name, SEARCH, query) == 1
        found = conn.execute(FUNCTION, [query]).fetchall()
        assert [key for (key,) in found] == wanted[:5]
        assert INDEX.search(conn, QUERY, candidates=400).keys == wanted


def test_an_ordinary_role_gets_what_psql_makes(
    two_databases: tuple[str, str], pg_version: int, tmp_path: Path
) -> None:
    extension, plain = two_databases
    by_psql(plain, pg_version, tmp_path)
    with connect(extension) as conn:
        for _ in range(2):
            conn.execute("create extension mrl_pg cascade")
            version = conn.execute(
                "select extversion, extowner::regrole::text from pg_extension "
                "where extname = 'mrl_pg'"
            )
            assert version.fetchall() == [(VERSION, OWNER)]
            assert conn.execute("show search_path").fetchone() == ('"$user", public',)
            assert catalog(extension) == catalog(plain)
            assert conn.execute(OUTSIDE).fetchall() == []
            conn.execute("drop extension mrl_pg")
            assert conn.execute("select to_regnamespace('mrl')").fetchone() == (None,)
    with connect(plain) as conn:
        assert len(conn.execute(OUTSIDE).fetchall()) > 50


def test_nothing_of_a_strangers_is_bound_or_run(
    two_databases: tuple[str, str], pg_version: int, tmp_path: Path
) -> None:
    extension, plain = (superuser(url) for url in two_databases)
    by_psql(plain, pg_version, tmp_path)
    with connect(extension) as conn:
        strangers.fill(conn)
        for kind in ("tables", "sequences", "functions", "schemas"):
            conn.execute(
                f"alter default privileges grant all on {kind} "
                f"to {strangers.STRANGER}, public".encode()
            )
        strangers.shadow(conn)
        conn.execute("create extension mrl_pg")
        assert not strangers.ran(conn)
        assert catalog(extension) == catalog(plain)
        conn.execute("drop extension mrl_pg")
        assert not strangers.ran(conn)


def test_a_role_without_the_right_is_refused(two_databases: tuple[str, str]) -> None:
    url, _ = two_databases
    with connect(superuser(url)) as conn:
        guest = role(conn, url, "extension_guest")
        with (
            connect(guest) as other,
            pytest.raises(psycopg.errors.InsufficientPrivilege, match="database"),
        ):
            other.execute("create extension mrl_pg")


def test_other_ways_refuse_to_install_beside_it(
    extended: Server,
    two_databases: tuple[str, str],
    pg_version: int,
    tmp_path: Path,
) -> None:
    url, _ = two_databases
    with connect(url) as conn:
        conn.execute("create extension mrl_pg")
        fill(conn)
        before = catalog(url)
        done = psql(url, pg_version, SQL / "install.sql")
        assert done.returncode != 0
        assert "mrl_pg is installed as an extension in this database" in done.stderr
        assert "HINT:  alter extension mrl_pg update;" in done.stderr
        with pytest.raises(NotInstalled, match="alter extension mrl_pg update"):
            install(conn)
        done = psql(url, pg_version, SQL / "uninstall.sql")
        assert done.returncode != 0
        assert "extension mrl_pg requires it" in done.stderr
        # Alembic only notes what is there
        done = alembic(extended.url(conn.info.dbname), tmp_path)
        assert done.returncode == 0, done.stderr
        assert f"mrl_pg {VERSION} is there: {VERSION} is not installed" in done.stderr
        conn.execute("alter extension mrl_pg update")
        assert catalog(url) == before
    assert_answers(url)


def test_it_is_not_created_over_another_install(
    two_databases: tuple[str, str], pg_version: int, tmp_path: Path
) -> None:
    url, _ = two_databases
    by_psql(url, pg_version, tmp_path)
    with connect(url) as conn:
        fill(conn)
        before = catalog(url)
        with pytest.raises(
            psycopg.errors.ObjectNotInPrerequisiteState,
            match='schema mrl is not a member of extension "mrl_pg"',
        ):
            conn.execute("create extension mrl_pg")
        assert catalog(url) == before
    assert_answers(url)


def test_a_dump_carries_the_registry(
    extended: Server,
    two_databases: tuple[str, str],
    pg_version: int,
    tmp_path: Path,
) -> None:
    url, _ = two_databases
    file = tmp_path / "dump.sql"
    guest = role(extended.admin, url, "extension_guest")
    with connect(url) as conn:
        conn.execute("create extension mrl_pg")
        # while no query is sampled any role can
        run(pg_version, "pg_dump", "-d", guest, "-f", str(file))
        fill(conn)
        known = conn.execute(REGISTRY).fetchall()
        shown = conn.execute(VIEW).fetchall()
        measured = [conn.execute(query).fetchall() for query in MEASURED]
    assert len(known) == len(shown) == 1
    assert all(measured)
    run(pg_version, "pg_dump", "-d", superuser(url), "-f", str(file))
    text = file.read_text()
    assert "CREATE EXTENSION IF NOT EXISTS mrl_pg" in text
    assert "FUNCTION mrl." not in text
    assert text.count("COPY mrl._registry ") == 1
    with extended.fresh("template0") as bare:
        done = psql(bare, pg_version, file)
        assert (done.returncode, done.stderr) == (0, "")
        assert_answers(bare)
        with connect(bare) as restored:
            assert restored.execute(REGISTRY).fetchall() == known
            assert restored.execute(VIEW).fetchall() == shown
            assert [restored.execute(one).fetchall() for one in MEASURED] == measured
            made = {name for (name,) in restored.execute(OUTSIDE)}
            assert made == {"table mrl._queries_1", "view mrl._own_queries_1"}
            assert not INDEX.create(restored).changed


def test_drop_extension_leaves_short_columns(two_databases: tuple[str, str]) -> None:
    url, _ = two_databases
    with connect(url) as conn:
        conn.execute("create extension mrl_pg")
        fill(conn)
        rows = conn.execute("select * from docs order by id").fetchall()
        # a made function needs it
        with pytest.raises(
            psycopg.errors.DependentObjectsStillExist, match="search_docs"
        ):
            conn.execute("drop extension mrl_pg")
        conn.execute("drop function search_docs")
        # nor does it take queries along that were kept
        with pytest.raises(
            psycopg.errors.DependentObjectsStillExist, match=r"mrl\._queries_1"
        ):
            conn.execute("drop extension mrl_pg")
        conn.execute("select mrl.sample_queries('docs', 'embedding', 0)")
        conn.execute("select mrl.forget_queries('docs', 'embedding')")
        conn.execute("drop extension mrl_pg")
        assert conn.execute("select to_regnamespace('mrl')").fetchone() == (None,)
        assert conn.execute("select * from docs order by id").fetchall() == rows
    with connect(url) as conn:
        force_index(conn)
        plan = INDEX.plan(conn, QUERY, candidates=400)
        assert first_pass(explain(conn, plan)) == [INDEX.name]
        found = INDEX.search(conn, QUERY, candidates=400)
        assert found.keys == nearest(VECTORS, QUERY)
        # created again, it takes the column and the index as they are
        conn.execute("create extension mrl_pg")
        conn.execute("select mrl.create_index('docs', 'embedding', dims => 32)")
        conn.execute(MAKE_FUNCTION)
    assert_answers(url)
