"""The ways to install mrl_pg, and the resulting catalog, for comparison."""

import subprocess
from pathlib import Path
from typing import Any

import psycopg

from mrl_pg import install, server
from mrl_pg.installation import VERSION
from support.command import alembic as run_alembic

ROOT = Path(__file__).parents[2]
SQL = ROOT / "sql"
Conn = psycopg.Connection[Any]
Catalog = dict[str, list[str]]


def rights(acl: str, kind: str, owner: str) -> str:
    """Rights in a fixed order, with the default rights written out."""
    held = f"coalesce({acl}, acldefault('{kind}', {owner}))"
    return f"array(select unnest({held})::text order by 1)"


IN_MRL = "in (select oid from pg_class where relnamespace = 'mrl'::regnamespace)"
CATALOG = {
    "functions": "select pg_get_functiondef(oid), "
    f"{rights('proacl', 'f', 'proowner')}, "
    "proowner::regrole::text, obj_description(oid, 'pg_proc') "
    "from pg_proc where pronamespace = 'mrl'::regnamespace",
    # in the order of columns; dropped columns do not change that
    "columns": "select attrelid::regclass::text, "
    "rank() over (partition by attrelid order by attnum), attname::text, "
    "format_type(atttypid, atttypmod), attnotnull, attacl::text, "
    "pg_get_expr(adbin, adrelid), col_description(attrelid, attnum) from pg_attribute "
    "left join pg_attrdef on adrelid = attrelid and adnum = attnum "
    f"where attrelid {IN_MRL} and not attisdropped",
    "indexes": "select pg_get_indexdef(indexrelid) from pg_index "
    f"where indrelid {IN_MRL}",
    "relations": "select relname::text, relkind::text, relrowsecurity, "
    "relforcerowsecurity, "
    f"{rights('relacl', 'r', 'relowner')}, "
    "relowner::regrole::text, reloptions, "
    "obj_description(oid, 'pg_class') "
    "from pg_class where relnamespace = 'mrl'::regnamespace",
    "views": "select relname::text, pg_get_viewdef(oid) from pg_class "
    "where relnamespace = 'mrl'::regnamespace and relkind = 'v'",
    "constraints": "select conname::text, pg_get_constraintdef(oid) "
    "from pg_constraint where connamespace = 'mrl'::regnamespace",
    "policies": "select * from pg_policies where schemaname = 'mrl'",
    "schema": f"select {rights('nspacl', 'n', 'nspowner')}, nspowner::regrole::text, "
    "obj_description(oid, 'pg_namespace') from pg_namespace where nspname = 'mrl'",
}


def catalog(url: str) -> Catalog:
    """All objects in the schema mrl of a database, as text."""
    with psycopg.connect(url, autocommit=True) as conn:
        # so that names always have their schema
        conn.execute("set search_path = pg_catalog")
        return {
            what: sorted(repr(row) for row in conn.execute(query.encode()).fetchall())
            for what, query in CATALOG.items()
        }


def psql(url: str, version: int, script: Path) -> subprocess.CompletedProcess[str]:
    """Run a script with psql; the caller checks its errors."""
    program = server.bin_dir(version) / "psql"
    return subprocess.run(
        [program, "-X", "-v", "ON_ERROR_STOP=1", "-d", url, "-f", script],
        capture_output=True,
        text=True,
    )


def alembic(url: str, folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """Run Alembic's command, `upgrade head` unless another is given."""
    options = ["-c", str(ROOT / "migrations" / "alembic.ini")]
    options += ["-x", "dsn=" + url.replace("postgresql://", "postgresql+psycopg://")]
    return run_alembic(folder, [*options, *(command or ("upgrade", "head"))])


def by_psql(url: str, version: int, folder: Path) -> None:
    """Install with psql, and check that it prints only that."""
    done = psql(url, version, SQL / "install.sql")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert f"mrl_pg {VERSION} is installed" in done.stdout


def by_alembic(url: str, version: int, folder: Path) -> None:
    """Install with Alembic."""
    done = alembic(url, folder)
    assert done.returncode == 0, done.stderr


def by_python_twice(url: str, version: int, folder: Path) -> None:
    """Install with Python, and refresh what is there."""
    with psycopg.connect(url) as conn:
        install(conn)
        install(conn)
