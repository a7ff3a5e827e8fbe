"""Installing where others may create: nothing of theirs is bound, run or trusted."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from support.databases import Conn, Server, connect
from support.installs import SQL, alembic, by_psql, catalog, psql
from support.next_release import copied
from support.scratch import engine
from support.strangers import STRANGER, fill, ran, shadow

from mrl_pg import NotInstalled, install, uninstall
from mrl_pg.sqlalchemy import install as install_by_sqlalchemy

APP = "install_app"
ACLS = """
select object, grantee::regrole::text, privilege_type
from (
    select 'schema' as object, nspacl as acl, nspowner as owner
    from pg_namespace where nspname = 'mrl'
    union all select oid::regclass::text, relacl, relowner from pg_class
    where relnamespace = 'mrl'::regnamespace
    union all select attrelid::regclass::text || '.' || attname, attacl, relowner
    from pg_attribute join pg_class on pg_class.oid = attrelid
    where relnamespace = 'mrl'::regnamespace
    union all select oid::regprocedure::text, proacl, proowner from pg_proc
    where pronamespace = 'mrl'::regnamespace
) as object, aclexplode(acl)
where grantee not in (0, owner)
"""
"""Rights on mrl_pg's objects that neither their owner has nor everybody."""


@pytest.fixture(scope="module")
def ground(pg_server: Server) -> Iterator[str]:
    """A database to be copied, with pgvector and what a stranger put beside it."""
    with pg_server.fresh("template0") as url:
        with connect(url) as conn:
            conn.execute("create extension vector")
            fill(conn)
            name = conn.info.dbname
        yield name
        with connect(url) as conn:
            conn.execute(f"drop owned by {STRANGER} cascade".encode())
    pg_server.admin.execute(f"drop role {STRANGER}".encode())


@pytest.fixture
def strange(pg_server: Server, ground: str) -> Iterator[str]:
    with pg_server.fresh(ground) as url:
        yield url


@pytest.fixture
def app(admin: Conn) -> Iterator[str]:
    """An ordinary role."""
    admin.execute(f"create role {APP} login".encode())
    yield APP
    admin.execute(f"drop role {APP}".encode())


def python(url: str, version: int, folder: Path) -> None:
    with connect(url) as conn:
        install(conn)


def sqlalchemy(url: str, version: int, folder: Path) -> None:
    with engine(url) as made, made.begin() as connection:
        install_by_sqlalchemy(connection)


def revisions(url: str, version: int, folder: Path) -> None:
    done = alembic(url, folder)
    assert done.returncode == 0, done.stderr


WAYS = [by_psql, python, sqlalchemy, revisions]
Way = Callable[[str, int, Path], None]


@pytest.mark.parametrize("way", WAYS)
def test_nothing_of_a_strangers_is_bound_or_run(
    strange: str, database: str, pg_version: int, tmp_path: Path, way: Way
) -> None:
    with connect(strange) as conn:
        way(strange, pg_version, tmp_path)
        assert not ran(conn)
        # over what is there
        way(strange, pg_version, tmp_path)
        assert not ran(conn)
        assert catalog(strange) == catalog(database)


def test_a_session_that_looks_elsewhere_first_runs_nothing_either(
    strange: str, database: str
) -> None:
    with connect(strange) as conn:
        shadow(conn)
        assert install(conn).found is None
        assert str(install(conn)).endswith("refreshed it")
        assert not ran(conn)
        assert catalog(strange) == catalog(database)
    with connect(strange) as conn:
        shadow(conn)
        assert uninstall(conn).version is None
        assert uninstall(conn).found is None
        assert not ran(conn)
        assert conn.execute("select pg_catalog.to_regnamespace('mrl')").fetchone() == (
            None,
        )


def test_psql_that_looks_elsewhere_first(
    strange: str, pg_version: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGOPTIONS", "-c search_path=public,pg_catalog")
    with connect(strange) as conn:
        for script in ("install.sql", "install.sql", "uninstall.sql"):
            done = psql(strange, pg_version, SQL / script)
            assert (done.returncode, done.stderr) == (0, "")
            assert not ran(conn)


def test_what_is_bound_to_a_strangers_is_refused(strange: str, tmp_path: Path) -> None:
    with copied(tmp_path) as folder, connect(strange) as conn:
        file = folder / "internal" / "render.sql"
        text = file.read_text()
        assert "pg_catalog.unnest(" in text
        file.write_text(text.replace("pg_catalog.unnest(", "unnest("))
        with pytest.raises(
            NotInstalled,
            match=r"mrl\._render\(text,jsonb\) would use function unnest\(text\[\]\) "
            f"of role {STRANGER}, which could do anything: drop one of the two",
        ):
            install(conn)
        assert not ran(conn)
        there = conn.execute("select pg_catalog.to_regnamespace('mrl')").fetchone()
        assert there == (None,)


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (
            "create function mrl.more() returns int return public.theirs()",
            r"function mrl\.more\(\) would use function theirs\(\)",
        ),
        (
            "create view mrl.more as select public.theirs()",
            r"rule _RETURN on view mrl\.more would use function theirs\(\)",
        ),
        (
            "create table mrl.more (a int default public.theirs())",
            r"default value for column a of table mrl\.more would use function theirs",
        ),
        (
            "create table mrl.more (a int, constraint odd check (a > public.theirs()))",
            r"constraint odd on table mrl\.more would use function theirs\(\)",
        ),
        (
            "create domain public.odd as int; alter domain public.odd owner to {role};"
            "create table mrl.more (a public.odd[])",
            r"table mrl\.more would use type odd",
        ),
        (
            "create operator public.<<<>>> (function = public.theirs, leftarg = int,"
            " rightarg = int); alter operator public.<<<>>> (int, int) owner to {role};"
            "create view mrl.more as select 1 operator(public.<<<>>>) 2",
            r"view mrl\.more would use operator <<<>>>\(integer,integer\)",
        ),
    ],
    ids=["function", "view", "default", "check", "type", "operator"],
)
def test_what_was_bound_before_is_refused_too(
    conn: Conn, app: str, made: str, said: str
) -> None:
    conn.execute(
        "create function public.theirs(int = 1, int = 1) returns int return 1;"
        "create function public.theirs() returns int return 1;"
        f"alter function public.theirs(int, int) owner to {app};"
        f"alter function public.theirs() owner to {app}".encode()
        if "theirs," in made
        else "create function public.theirs() returns int return 1;"
        f"alter function public.theirs() owner to {app}".encode()
    )
    conn.execute(made.format(role=app).encode())
    with pytest.raises(NotInstalled, match=f"{said}.* of role {app}"):
        install(conn)
    conn.execute(f"drop owned by {app} cascade".encode())
    install(conn)


def test_an_extension_is_trusted_for_what_its_owner_may_not_change(
    conn: Conn, app: str
) -> None:
    # the owner of an extension may make anything of his a part of it
    conn.execute(
        "create function public.theirs() returns int return 1;"
        f"alter function public.theirs() owner to {app};"
        "alter extension vector add function public.theirs();"
        "create function mrl.more() returns int return public.theirs()".encode()
    )
    with pytest.raises(NotInstalled, match=rf"function theirs\(\) of role {app}"):
        install(conn)
    conn.execute("drop function mrl.more()")
    conn.execute("alter extension vector drop function public.theirs()")
    conn.execute(f"drop owned by {app} cascade".encode())


# ------------------------------------------------------------------ rights


@pytest.mark.parametrize("way", WAYS)
def test_default_privileges_open_nothing(
    bare_database: str,
    database: str,
    app: str,
    pg_version: int,
    tmp_path: Path,
    way: Way,
) -> None:
    everything = ("tables", "sequences", "functions", "types", "schemas")
    with connect(bare_database) as conn:
        conn.execute("create extension vector")
        for kind in everything:
            conn.execute(
                f"alter default privileges grant all on {kind} to {app}".encode()
            )
        conn.execute("alter default privileges grant all on tables to public")
        way(bare_database, pg_version, tmp_path)
        assert conn.execute(ACLS.encode()).fetchall() == []
        assert catalog(bare_database) == catalog(database)
        conn.execute(f"set role {app}".encode())
        for attempt in (
            "update mrl._registry set index_name = 'mine'",
            "create function mrl.mine() returns int return 1",
            "create trigger mine before insert on mrl._registry for each row execute "
            "function pg_catalog.suppress_redundant_updates_trigger()",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                conn.execute(attempt.encode())
        conn.execute("reset role")
        conn.execute(f"drop owned by {app} cascade".encode())


def test_what_was_granted_by_hand_is_taken_away_again(
    conn: Conn, database: str, app: str
) -> None:
    wanted = catalog(database)
    conn.execute(
        f"grant all on all tables in schema mrl to {app} with grant option;"
        f"grant all on schema mrl to {app}, public;"
        f"grant update (kind) on mrl._registry to {app}, public;"
        f"grant execute on all functions in schema mrl to {app};"
        f"grant usage on all sequences in schema mrl to {app};"
        "revoke execute on all functions in schema mrl from public;"
        "revoke select on mrl.indexes from public;"
        # and further, by him
        f"set role {app}; grant insert on mrl._registry to pg_monitor;"
        "grant delete on mrl._registry to public; reset role".encode()
    )
    assert conn.execute(ACLS.encode()).fetchall() != []
    install(conn)
    assert conn.execute(ACLS.encode()).fetchall() == []
    assert catalog(database) == wanted


def test_one_file_says_who_may_do_what() -> None:
    for path in SQL.rglob("*.sql"):
        found = re.findall(r"^ *(?:grant|revoke) .*", path.read_text(), re.MULTILINE)
        assert found == [] or path == SQL / "internal" / "rights.sql", path
