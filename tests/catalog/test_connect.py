"""Which server is picked, in what words, and what the command line makes of faults."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from support.command import forked

from mrl_pg import connect, server
from mrl_pg.connect import Embedded, Target, choose
from mrl_pg.errors import InvalidSetting
from mrl_pg.server import EmbeddedServer

pytest.importorskip("typer")

URL = "postgresql://app:s3cret@db1:5433/shop"
PARTS = "(user=app host=db1 port=5433 dbname=shop)"


def test_dsn_comes_first() -> None:
    environment = {"DATABASE_URL": "postgresql://other/x", "PGHOST": "elsewhere"}
    assert choose(URL, environment) == Target(URL, f"--dsn {PARTS}")


def test_named_folder_comes_before_the_environment(tmp_path: Path) -> None:
    chosen = choose(None, {"DATABASE_URL": URL}, directory=tmp_path, version=16)
    stop = f"stop it with: mrl-pg server stop --directory {tmp_path}"
    origin = f"the embedded server in {tmp_path} ({stop})"
    assert chosen == Embedded(tmp_path.resolve(), 16, origin)
    with pytest.raises(InvalidSetting, match="two servers"):
        choose(URL, {}, directory=tmp_path)


def test_database_url_comes_before_pg_variables() -> None:
    chosen = choose(None, {"DATABASE_URL": URL, "PGHOST": "elsewhere"})
    assert chosen == Target(URL, f"DATABASE_URL {PARTS}")


def test_pg_variables_come_before_the_embedded_server() -> None:
    environment = {"PGHOST": "db1", "PGPASSWORD": "s3cret", "PGDATABASE": ""}
    assert choose(None, environment) == Target("", "the PG* variables (PGHOST=db1)")


@pytest.mark.parametrize("name", connect.PG_VARIABLES)
def test_each_pg_variable_counts(name: str) -> None:
    assert isinstance(choose(None, {name: "1"}), Target)


def test_embedded_server_comes_last() -> None:
    quiet = {"PGPASSWORD": "s3cret", "DATABASE_URL": "", "PGOPTIONS": "-c a=b"}
    origin = "the embedded server in .mrl_pg/pg18 (stop it with: mrl-pg server stop{})"
    folder = Path.cwd() / ".mrl_pg"
    assert choose(None, quiet) == Embedded(folder / "pg18", 18, origin.format(""))
    older = origin.format(" --pg 16").replace("pg18", "pg16")
    assert choose(None, quiet, version=16) == Embedded(folder / "pg16", 16, older)


@pytest.mark.parametrize("scheme", ["postgresql+psycopg", "postgres+asyncpg"])
def test_sqlalchemy_urls_lose_their_driver(scheme: str) -> None:
    chosen = choose(URL.replace("postgresql", scheme), {})
    assert chosen == Target(URL, f"--dsn {PARTS}")


@pytest.mark.parametrize(
    "text",
    [
        URL,
        "user=app password=s3cret host=db1 port=5433 dbname=shop",
        "postgresql://app@db1:5433/shop?password=s3cret",
        "postgresql+psycopg://app:s3cret@db1:5433/shop?sslpassword=s3cret",
    ],
)
def test_origin_holds_no_password(text: str) -> None:
    assert choose(text, {}).origin == f"--dsn {PARTS}"


@pytest.mark.parametrize(
    "text",
    [
        "mysql://app:s3cret@db1/shop",
        "postgresql://app:s3cret@db1:54 33/shop?what=now",
        "s3cret",
        # A password that should have been percent-encoded ends up in other parts.
        "postgresql://app:x@s3cret@db1/shop",
        "postgresql://app:1/s3cret@db1/shop",
    ],
)
def test_bad_strings_are_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(InvalidSetting, match="percent-encode") as caught:
        choose(None, {"DATABASE_URL": text})
    assert "s3cret" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert "DATABASE_URL" in str(caught.value)


# --- with a server


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The current directory; the embedded server in it is stopped afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="mrl_pg-test-")).resolve()
    monkeypatch.chdir(folder)
    yield folder
    server.stop()
    shutil.rmtree(folder)


def test_resolve_starts_the_embedded_server_and_leaves_it_running(home: Path) -> None:
    target = connect.resolve(None)
    running = server.status(home / ".mrl_pg" / "pg18")
    assert running is not None
    assert target.conninfo == running.url()
    assert "mrl-pg server stop" in target.origin
    assert (home / ".mrl_pg" / ".gitignore").exists()
    assert connect.resolve(None) == target
    with psycopg.connect(target.conninfo) as conn:
        assert conn.execute("select '[1,2]'::vector").fetchone()


def test_resolve_reads_the_environment(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", database)
    target = connect.resolve(None)
    assert target.conninfo == database
    with psycopg.connect(target.conninfo) as conn:
        assert conn.execute("select 1").fetchone() == (1,)


def test_pghostaddr_does_not_lead_away_from_a_named_folder(
    embedded_server: EmbeddedServer, pg_version: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGHOSTADDR", "127.0.0.1")
    folder = embedded_server.directory
    target = connect.resolve(None, directory=folder, version=pg_version)
    with psycopg.connect(target.conninfo) as conn:
        found = conn.execute("show data_directory").fetchone()
    assert found == (str(folder),)


# --- the command line around it

PROGRAM = """
import sys, typer
from mrl_pg.cli import app, options

@app.app.command()
def probe(dsn: options.Dsn = None, directory: options.Directory = None,
          pg: options.Pg = options.PG_DEFAULT, statement: str = "select 1"):
    if statement == "interrupt":
        raise KeyboardInterrupt
    if statement == "full":
        raise OSError(28, "No space left on device", "report.html")
    with options.connection(dsn, directory, pg) as conn:
        typer.echo(conn.execute(statement).fetchone()[0])

sys.exit(app.run())
"""


def probe(*arguments: str) -> tuple[int, str, str]:
    def program() -> None:
        exec(PROGRAM, {})

    done = forked(["mrl-pg", "probe", *arguments], program)
    return done.returncode, done.stdout, done.stderr


def test_connection_says_where_it_went(database: str) -> None:
    code, out, err = probe("--dsn", database)
    assert (code, out) == (0, "1\n")
    assert err.startswith("using --dsn (user=postgres host=")


def test_faults_have_exit_codes(database: str) -> None:
    code, out, err = probe("--dsn", "host=/nowhere password=s3cret")
    assert (code, out) == (6, "")
    assert "error: cannot reach the server: " in err and "--dsn" in err
    assert "s3cret" not in err
    code, _, err = probe("--dsn", database, "--statement", "select nonsense")
    assert code == 1
    assert 'error: column "nonsense" does not exist' in err
    assert probe("--dsn", "nonsense")[0] == 2
    assert probe("--statement", "interrupt")[0] == 130
    code, _, err = probe("--statement", "full")
    assert code == 1
    assert err == "error: [Errno 28] No space left on device: 'report.html'\n"
