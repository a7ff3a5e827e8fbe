"""Releases: their files stay as they were, and each can be upgraded to this one."""

import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
from helpers import connect, force_index, make_table, matryoshka, nearest
from installs import SQL, Conn, alembic, by_alembic, by_psql, catalog
from servers import index_scans

from mrl_pg import MatryoshkaIndex, install, source
from mrl_pg.install import VERSION
from mrl_pg.layout import Kind

FROZEN = [line.split()[1] for line in source.read("frozen.txt").splitlines()]
DOWN = ".down"
RELEASED = [
    Path(name).stem
    for name in FROZEN
    if name.startswith("releases/") and not Path(name).stem.endswith(DOWN)
]
VECTORS = matryoshka(400)
QUERY = VECTORS[6] + VECTORS[7]
KINDS: tuple[Kind, ...] = ("vector", "halfvec", "bit")
INDEXES = [MatryoshkaIndex("docs", "embedding", dims=32, kind=kind) for kind in KINDS]
REGISTRY = (
    "select table_id::text, full_column, short_column, index_name, dims, kind, "
    "distance, created_at from mrl.registry order by index_name"
)
DERIVED = "select count(*) from mrl.registry where slots is null or pattern is null"
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


# ------------------------------------------------------------------ frozen files


def changed(folder: Path) -> list[str]:
    """Files of released versions that are not, byte for byte, as they were then."""
    lines = (folder / "frozen.txt").read_text().splitlines()
    hashes = {name: digest for digest, name in (line.split() for line in lines)}
    return [
        name
        for name, digest in hashes.items()
        if not (folder / name).is_file()
        or hashlib.sha256((folder / name).read_bytes()).hexdigest() != digest
    ]


def test_no_released_file_has_changed() -> None:
    assert changed(SQL) == []


def test_a_changed_byte_is_noticed(tmp_path: Path) -> None:
    copy = tmp_path / "sql"
    shutil.copytree(SQL, copy)
    assert changed(copy) == []
    for name in FROZEN:
        file = copy / name
        before = file.read_bytes()
        file.write_bytes(before.replace(b" ", b"\t", 1))
        assert changed(copy) == [name]
        file.write_bytes(before)
    (copy / FROZEN[0]).unlink()
    assert changed(copy) == [FROZEN[0]]


def test_what_a_release_names_is_frozen() -> None:
    assert RELEASED
    assert sorted(set(FROZEN)) == FROZEN
    for version in RELEASED:
        for manifest in (f"releases/{version}.sql", f"releases/{version}{DOWN}.sql"):
            assert {manifest, *source.manifest(manifest)} <= set(FROZEN)


def test_only_this_version_may_be_unreleased() -> None:
    names = {path.stem.removesuffix(DOWN) for path in (SQL / "releases").glob("*.sql")}
    assert names - set(RELEASED) <= {VERSION}
    for name in names:
        assert (SQL / "releases" / f"{name}.sql").is_file()
        assert (SQL / "releases" / f"{name}{DOWN}.sql").is_file()


# ------------------------------------------------------------------ upgrades


def run_files(conn: Conn, manifest: str) -> None:
    with conn.transaction():
        for name in source.manifest(manifest):
            conn.execute(source.read(name).encode())


def fill(conn: Conn) -> None:
    """A table with short columns of each kind, made as release 0.1.0 makes them."""
    make_table(conn, VECTORS)
    for index in INDEXES:
        prefix = "subvector(embedding, 1, 32)"
        value = f"l2_normalize({prefix})::{index.kind}(32)"
        if index.kind == "bit":
            value = f"binary_quantize({prefix})::bit(32)"
        operators = "bit_hamming_ops"
        if index.kind != "bit":
            operators = f"{index.kind}_cosine_ops"
        for statement in (
            f"alter table docs add column {index.short} {index.kind}(32) "
            f"generated always as ({value}) stored",
            f"create index {index.name} on docs using hnsw ({index.short} {operators}) "
            "with (m = 16, ef_construction = 64)",
            f"select mrl.register('docs', 'embedding', '{index.short}', "
            f"'{index.name}', 32, '{index.kind}', 'cosine')",
        ):
            conn.execute(statement.encode())
    conn.execute("analyze docs")


def assert_searches(url: str) -> None:
    """SQL and Python search all kinds in a fresh session, each by its index."""
    wanted = nearest(VECTORS, QUERY)
    with connect(url) as conn:
        assert conn.execute(DERIVED).fetchone() == (0,)
        force_index(conn)
        for index in INDEXES:
            query = str(QUERY.tolist())
            found = conn.execute(SEARCH, [query, index.kind]).fetchall()
            assert [key for (key,) in found] == wanted
            assert index_scans(conn, index.name, SEARCH, query, index.kind) == 1
            assert index.search(conn, QUERY, candidates=400).keys == wanted
            assert not index.create(conn).changed


def by_python(url: str, version: int, folder: Path) -> None:
    with connect(url) as conn:
        assert str(install(conn)) == f"upgraded mrl_pg {RELEASED[0]} to {VERSION}"


@pytest.mark.parametrize(
    "upgrade", [by_psql, by_python, by_alembic], ids=["psql", "python", "alembic"]
)
@pytest.mark.parametrize("release", RELEASED)
def test_an_upgraded_database_is_as_a_fresh_one(
    database: str,
    bare_database: str,
    pg_version: int,
    tmp_path: Path,
    release: str,
    upgrade: Callable[[str, int, Path], None],
) -> None:
    url = bare_database
    with connect(url) as conn:
        conn.execute("create extension vector")
        run_files(conn, f"releases/{release}.sql")
        assert conn.execute("select mrl.version()").fetchone() == (release,)
        assert catalog(url) != catalog(database)
        fill(conn)
        rows = conn.execute("select * from docs order by id").fetchall()
        known = conn.execute(REGISTRY).fetchall()
        assert len(known) == len(KINDS)
        upgrade(url, pg_version, tmp_path)
        assert conn.execute("select mrl.version()").fetchone() == (VERSION,)
        assert conn.execute("select * from docs order by id").fetchall() == rows
        assert conn.execute(REGISTRY).fetchall() == known
    assert catalog(url) == catalog(database)
    assert_searches(url)


def test_alembic_goes_back_to_the_first_release_and_up_again(
    database: str, bare_database: str, tmp_path: Path
) -> None:
    url = bare_database

    def run(*command: str) -> None:
        done = alembic(url, tmp_path, *command)
        assert (done.returncode, done.stderr) == (0, "")

    with connect(url) as conn:
        conn.execute("create extension vector")
        run("upgrade", "mrl_0001")
        first = catalog(url)
        fill(conn)
        known = conn.execute(REGISTRY).fetchall()
        for _ in range(2):
            run("upgrade", "head")
            assert catalog(url) == catalog(database)
            assert_searches(url)
            run("downgrade", "mrl_0001")
            assert catalog(url) == first
            assert conn.execute(REGISTRY).fetchall() == known
            assert conn.execute(STAMPS).fetchall() == [("mrl_0001",)]
            # what 0.1.0 does, it does again
            for call in (UNREGISTER, REGISTER):
                conn.execute(call.encode())
            [again, *others] = conn.execute(REGISTRY).fetchall()
            assert (again[:-1], others) == (known[0][:-1], known[1:])
            known = [again, *others]


def test_a_stale_row_does_not_stop_an_upgrade(bare_database: str) -> None:
    with connect(bare_database) as conn:
        conn.execute("create extension vector")
        run_files(conn, f"releases/{RELEASED[0]}.sql")
        fill(conn)
        conn.execute(f"drop index {INDEXES[0].name}".encode())
        conn.execute(f"alter table docs drop column {INDEXES[1].short}".encode())
        install(conn)
        assert len(conn.execute(REGISTRY).fetchall()) == len(KINDS)
        assert conn.execute(DERIVED).fetchone() == (2,)
        for index, said in (
            (INDEXES[0], f"index {INDEXES[0].name} of public.docs does not exist"),
            (INDEXES[1], f"index {INDEXES[1].name} of public.docs does not exist"),
        ):
            with pytest.raises(psycopg.errors.UndefinedObject, match=said):
                conn.execute(SEARCH, [str(QUERY.tolist()), index.kind])
        found = conn.execute(SEARCH, [str(QUERY.tolist()), INDEXES[2].kind]).fetchall()
        assert [key for (key,) in found] == nearest(VECTORS, QUERY)


def test_alembic_notices_what_psql_installed(
    database: str, bare_database: str, pg_version: int, tmp_path: Path
) -> None:
    url = bare_database
    with connect(url) as conn:
        conn.execute("create extension vector")
        by_psql(url, pg_version, tmp_path)
        fill(conn)
        made = "select oid, xmin from pg_proc where pronamespace = 'mrl'::regnamespace"
        before = conn.execute(made).fetchall()
        done = alembic(url, tmp_path)
        assert done.returncode == 0
        for release in (*RELEASED, VERSION):
            assert f"mrl_pg {VERSION} is there: {release} is not" in done.stderr
        assert conn.execute(made).fetchall() == before
        assert conn.execute(STAMPS).fetchall() == [("mrl_0002",)]
    assert catalog(url) == catalog(database)
    assert_searches(url)
