"""Releases: their files stay as they were, and each can be upgraded to the next.

What has to hold of the next release is tried on one that is made up.
"""

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from support.databases import connect
from support.installs import SQL, Conn, catalog
from support.next_release import NEXT, NextRelease, next_release
from support.plans import force_index
from support.servers import index_scans
from support.tables import make_table
from support.vectors import matryoshka, nearest

from mrl_pg import MatryoshkaIndex, install, source
from mrl_pg.installation import VERSION
from mrl_pg.kinds import Kind

DOWN = ".down"
VECTORS = matryoshka(400)
QUERY = VECTORS[6] + VECTORS[7]
KINDS: tuple[Kind, ...] = ("vector", "halfvec", "bit")
INDEXES = [MatryoshkaIndex("docs", "embedding", dims=32, kind=kind) for kind in KINDS]
REGISTRY = (
    "select table_id::text, full_column, short_column, index_name, dims, kind, "
    "distance, created_at from mrl.registry order by index_name"
)
SEARCH = (
    "select id from mrl.search("
    "null::docs, 'embedding', %s::vector, kind => %s, candidates => 400)"
)
[FIRST] = [index for index in INDEXES if index.kind == "bit"]
UNREGISTER = f"select mrl.unregister('docs', '{FIRST.name}')"
REGISTER = (
    f"select mrl.register('docs', 'embedding', '{FIRST.short}', '{FIRST.name}', "
    "32, 'bit', 'cosine')"
)
STAMPS = "select version_num from mrl_alembic_version"


@pytest.fixture
def after(tmp_path: Path) -> Iterator[NextRelease]:
    with next_release(tmp_path) as made:
        yield made


# ------------------------------------------------------------------ frozen files


def hashes(folder: Path) -> dict[str, str]:
    lines = (folder / "frozen.txt").read_text().splitlines()
    assert lines == sorted(lines, key=lambda line: line.split()[1])
    return {name: digest for digest, name in map(str.split, lines)}


def changed(folder: Path) -> list[str]:
    """Files of released versions that are not, byte for byte, as they were then."""
    return [
        name
        for name, digest in hashes(folder).items()
        if not (folder / name).is_file()
        or hashlib.sha256((folder / name).read_bytes()).hexdigest() != digest
    ]


def released(folder: Path) -> list[str]:
    """Versions whose files are frozen; says so when one of them is not."""
    names = [Path(name) for name in hashes(folder)]
    versions = [
        name.stem
        for name in names
        if name.parent.name == "releases" and not name.stem.endswith(DOWN)
    ]
    for version in versions:
        for manifest in (f"releases/{version}.sql", f"releases/{version}{DOWN}.sql"):
            assert {manifest, *source.manifest(manifest)} <= set(hashes(folder))
    return versions


def unreleased(folder: Path) -> set[str]:
    """Versions that are being worked on; each has its way up and its way down."""
    names = {
        path.stem.removesuffix(DOWN) for path in (folder / "releases").glob("*.sql")
    }
    for name in names:
        assert (folder / "releases" / f"{name}.sql").is_file()
        assert (folder / "releases" / f"{name}{DOWN}.sql").is_file()
    return names - set(released(folder))


def test_no_released_file_has_changed() -> None:
    assert changed(SQL) == []


def test_only_this_version_may_be_unreleased() -> None:
    assert unreleased(SQL) <= {VERSION}


def test_a_changed_byte_is_noticed(after: NextRelease) -> None:
    assert released(after.sql) == [VERSION]
    assert unreleased(after.sql) == {NEXT}
    assert changed(after.sql) == []
    frozen = list(hashes(after.sql))
    for name in frozen:
        file = after.sql / name
        before = file.read_bytes()
        file.write_bytes(before.replace(b" ", b"\t", 1))
        assert changed(after.sql) == [name]
        file.write_bytes(before)
    (after.sql / frozen[0]).unlink()
    assert changed(after.sql) == [frozen[0]]


# ------------------------------------------------------------------ upgrades


def run_files(conn: Conn, manifest: str) -> None:
    with conn.transaction():
        for name in source.manifest(manifest):
            conn.execute(source.read(name).encode())


def fill(conn: Conn) -> None:
    """A table with short columns of each kind."""
    make_table(conn, VECTORS)
    for index in INDEXES:
        index.create(conn)
    conn.execute("analyze docs")


def assert_searches(url: str) -> None:
    """SQL and Python search all kinds in a fresh session, each by its index."""
    wanted = nearest(VECTORS, QUERY)
    with connect(url) as conn:
        force_index(conn)
        for index in INDEXES:
            query = str(QUERY.tolist())
            found = conn.execute(SEARCH, [query, index.kind]).fetchall()
            assert [key for (key,) in found] == wanted
            assert index_scans(conn, index.name, SEARCH, query, index.kind) == 1
            assert index.search(conn, QUERY, candidates=400).keys == wanted
            assert not index.create(conn).changed


def by_psql(url: str, after: NextRelease) -> None:
    after.by_psql(url)


def by_python(url: str, after: NextRelease) -> None:
    with connect(url) as conn:
        assert str(install(conn)) == f"upgraded mrl_pg {VERSION} to {NEXT}"


def by_alembic(url: str, after: NextRelease) -> None:
    assert after.by_alembic(url).returncode == 0


@pytest.mark.parametrize("upgrade", [by_psql, by_python, by_alembic])
def test_an_upgraded_database_is_as_a_fresh_one(
    database: str,
    bare_database: str,
    after: NextRelease,
    upgrade: Callable[[str, NextRelease], None],
) -> None:
    url = bare_database
    with connect(url) as conn:
        conn.execute("create extension vector")
        install(conn)
    fresh = catalog(url)
    assert catalog(database) != fresh
    with connect(database) as conn:
        fill(conn)
        rows = conn.execute("select * from docs order by id").fetchall()
        known = conn.execute(REGISTRY).fetchall()
        assert len(known) == len(KINDS)
        upgrade(database, after)
        assert conn.execute("select mrl.version()").fetchone() == (NEXT,)
        assert conn.execute("select * from docs order by id").fetchall() == rows
        assert conn.execute(REGISTRY).fetchall() == known
    assert catalog(database) == fresh
    assert_searches(database)


def test_alembic_goes_back_to_the_first_release_and_up_again(
    database: str, bare_database: str, after: NextRelease
) -> None:
    url = bare_database

    def run(*command: str) -> None:
        done = after.by_alembic(url, *command)
        assert (done.returncode, done.stderr) == (0, "")

    with connect(url) as conn:
        conn.execute("create extension vector")
        run("upgrade", "mrl_0001")
        # the files of a release install what they did when it was the newest
        assert catalog(url) == catalog(database)
        fill(conn)
        known = conn.execute(REGISTRY).fetchall()
        for _ in range(2):
            run("upgrade", "head")
            assert conn.execute("select mrl.version()").fetchone() == (NEXT,)
            assert_searches(url)
            run("downgrade", "mrl_0001")
            assert catalog(url) == catalog(database)
            assert_searches(url)
            assert conn.execute(REGISTRY).fetchall() == known
            assert conn.execute(STAMPS).fetchall() == [("mrl_0001",)]
            # what the first release does, it does again
            for call in (UNREGISTER, REGISTER):
                conn.execute(call.encode())
            [again, *others] = conn.execute(REGISTRY).fetchall()
            assert (again[:-1], others) == (known[0][:-1], known[1:])
            known = [again, *others]
        run("downgrade", "base")
        assert conn.execute("select to_regnamespace('mrl')").fetchone() == (None,)


def test_a_stale_row_does_not_stop_an_upgrade(
    database: str, after: NextRelease
) -> None:
    with connect(database) as conn:
        fill(conn)
        conn.execute(f"drop index {INDEXES[0].name}".encode())
        # it has no column
        conn.execute(f"drop index {INDEXES[1].name}".encode())
        install(conn)
        assert conn.execute("select mrl.version()").fetchone() == (NEXT,)
        assert len(conn.execute(REGISTRY).fetchall()) == len(KINDS)
        for index, said in (
            (INDEXES[0], f"index {INDEXES[0].name} of public.docs does not exist"),
            (INDEXES[1], f"index {INDEXES[1].name} of public.docs does not exist"),
        ):
            by_name = SEARCH.replace("kind =>", "index_name =>")
            with pytest.raises(psycopg.errors.UndefinedObject, match=said):
                conn.execute(by_name.encode(), [str(QUERY.tolist()), index.name])
        warned: list[str | None] = []
        conn.add_notice_handler(lambda notice: warned.append(notice.message_primary))
        for kind in reversed(KINDS):
            found = conn.execute(SEARCH, [str(QUERY.tolist()), kind]).fetchall()
            assert [key for (key,) in found] == nearest(VECTORS, QUERY)
        # the two that are gone are answered by the third
        assert [INDEXES[2].name in str(text) for text in warned] == [True, True]


def test_alembic_notices_what_psql_installed(database: str, after: NextRelease) -> None:
    with connect(database) as conn:
        after.by_psql(database)
        fill(conn)
        made = "select oid, xmin from pg_proc where pronamespace = 'mrl'::regnamespace"
        before = conn.execute(made).fetchall()
        done = after.by_alembic(database)
        assert done.returncode == 0
        for release in (VERSION, NEXT):
            assert f"mrl_pg {NEXT} is there: {release} is not" in done.stderr
        assert conn.execute(made).fetchall() == before
        assert conn.execute(STAMPS).fetchall() == [("mrl_next",)]
    assert_searches(database)


def test_an_older_release_does_not_go_over_a_newer(
    database: str, after: NextRelease
) -> None:
    after.by_psql(database)
    before = catalog(database)
    refusal = psycopg.errors.ObjectNotInPrerequisiteState
    with (
        connect(database) as conn,
        pytest.raises(refusal, match=rf"mrl_pg {NEXT}, newer .* \({VERSION}\)"),
    ):
        run_files(conn, f"releases/{VERSION}.sql")
    assert catalog(database) == before
