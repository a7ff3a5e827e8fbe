"""SQL of docs/sql.md, docs/start.md and README runs as written, by an ordinary role."""

import os
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import psycopg
import pytest
from psycopg import sql
from support.calibrations import NEVER_EXACT
from support.databases import Server, connect, role

from mrl_pg import server, source

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/sql.md"
START = ROOT / "docs/start.md"
ROLE = "plain_reader"
FENCE = re.compile(r"^```(sh|sql|text)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
ROW = re.compile(r"^\| `([0-9A-Z]{5})` \| `(\w+)` \|", re.MULTILINE)
# what a reader brings: a table, and a query in a variable of psql
README_TABLE = """
create table docs (id bigint primary key, title text, lang text, embedding vector(512));
insert into docs
select i, 'title ' || i, case when i % 3 = 0 then 'fr' else 'en' end,
    array(select sin(i * sqrt(j)) / sqrt(j) from generate_series(1, 512) as j)::vector
from generate_series(1, 300) as i;
select embedding as query from docs where id = 42 \\gset
"""


class Block(NamedTuple):
    """A fenced sql block, and the output that the page shows right below it, if any."""

    text: str
    shown: str | None


@dataclass(frozen=True, slots=True)
class Reader:
    """An ordinary role that owns a database with pgvector, and its programs."""

    url: str
    bin_dir: Path

    def shell(self, script: str) -> str:
        """Output of commands run as the page says, from the root of the clone."""
        path = f"{self.bin_dir}:/usr/bin:/bin"
        done = subprocess.run(
            ["sh", "-ec", script],
            cwd=ROOT,
            env={**os.environ, "PATH": path, "DATABASE_URL": self.url},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def psql(self, parts: list[str]) -> list[str]:
        """What each part of one session prints, warnings first."""
        mark = "==== next ===="
        done = subprocess.run(
            [self.bin_dir / "psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", self.url],
            input=f"\\echo {mark}\n\\warn {mark}\n".join(parts),
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        streams = done.stderr.split(f"{mark}\n"), done.stdout.split(f"{mark}\n")
        return [said + printed for said, printed in zip(*streams, strict=True)]


def blocks(page: Path, language: str) -> list[Block]:
    """Fenced blocks of a language, in order, with the text block right below each."""
    text = page.read_text(encoding="utf-8")
    found = list(FENCE.finditer(text))
    following: list[re.Match[str] | None] = [*found[1:], None]
    return [
        Block(
            this.group(2),
            after.group(2)
            if after is not None
            and after.group(1) == "text"
            and not text[this.end() : after.start()].strip()
            else None,
        )
        for this, after in zip(found, following, strict=True)
        if this.group(1) == language
    ]


def lines(output: str) -> list[str]:
    """Lines without the blanks that psql and editors leave at their ends."""
    return [line.rstrip() for line in output.strip("\n").splitlines()]


@pytest.fixture
def reader(pg_server: Server, pg_version: int) -> Iterator[Reader]:
    """On a fresh database, where a superuser did no more than enable pgvector."""
    with pg_server.fresh("template0") as url:
        mine = role(pg_server.admin, url, ROLE)
        with connect(url) as conn:
            conn.execute("create extension vector")
            conn.execute(
                sql.SQL("alter database {} owner to {}").format(
                    sql.Identifier(conn.info.dbname), sql.Identifier(ROLE)
                )
            )
        yield Reader(mine, server.bin_dir(pg_version))


def test_the_page_runs_as_written(reader: Reader) -> None:
    """From installing to uninstalling, each output as shown."""
    install, uninstall = (block.text for block in blocks(PAGE, "sh"))
    assert "is installed" in reader.shell(install)

    found = blocks(PAGE, "sql")
    printed = reader.psql([block.text for block in found])
    shown = [block.shown for block in found]
    assert len(shown) - shown.count(None) > 10
    for block, output in zip(found, printed, strict=True):
        if block.shown is not None:
            assert lines(output) == lines(block.shown), block.text
        if "explain" in block.text:
            assert "using docs_embedding_32_halfvec_cosine_hnsw" in output

    reader.shell(uninstall)
    with connect(reader.url) as conn:
        assert conn.execute("select to_regnamespace('mrl')").fetchone() == (None,)
        left = "select count(embedding_32_halfvec) from docs"
        assert conn.execute(left.encode()).fetchone() == (2000,)


def test_the_statement_of_the_page_outlives_mrl(reader: Reader) -> None:
    """What search_sql printed needs nothing of the schema."""
    reader.shell(blocks(PAGE, "sh")[0].text)
    texts = [block.text for block in blocks(PAGE, "sql")]
    last = next(i for i, text in enumerate(texts) if "prepare nearest" in text)
    gone = "deallocate nearest;\nset client_min_messages = warning;\n"
    *_, output = reader.psql(
        [
            *texts[: last + 1],
            f"{gone}drop schema mrl cascade;\n",
            "prepare nearest as :statement;\nexecute nearest (2, :'query');\n",
        ]
    )
    assert [line.split()[0] for line in lines(output)[2:5]] == ["42", "1952", "1512"]


def test_the_readme_runs_as_written(reader: Reader) -> None:
    """It builds, answers, calibrates and keeps the recall that it asks for."""
    *_, install = blocks(ROOT / "README.md", "sh")
    reader.shell(install.text)
    (example,) = blocks(ROOT / "README.md", "sql")
    _, _, output = reader.psql([f"{NEVER_EXACT};", README_TABLE, example.text])
    printed = lines(output)
    assert " docs_embedding_256_halfvec_cosine_hnsw" in printed
    assert any(re.match(r" +42 \| title 42 +\| +0$", line) for line in printed)
    (told,) = [line for line in printed if "WARNING" in line]
    assert "recall 0.95: measured" in told and "rows of the table" in told
    assert printed[-1] == "(5 rows)"


def test_the_first_page_runs_as_written(reader: Reader) -> None:
    install = blocks(START, "sh")[1]
    assert "sql/install.sql" in install.text
    reader.shell(install.text)
    (example,) = blocks(START, "sql")
    _, output = reader.psql([README_TABLE, example.text])
    printed = lines(output)
    assert " docs_embedding_256_halfvec_cosine_hnsw" in printed
    assert any(re.match(r" +42 \| title 42 +\| +0$", line) for line in printed)
    assert any(line.startswith(" docs ") for line in printed)


def test_the_page_lists_what_is_raised() -> None:
    """Each condition that the functions raise, by its code; names and codes agree."""
    listed = {name: code for code, name in ROW.findall(PAGE.read_text("utf-8"))}
    named = {
        name: psycopg.errors.lookup(code).__name__ for name, code in listed.items()
    }
    assert named == {name: name.title().replace("_", "") for name in listed}
    raised = {
        name
        for path in source.manifest("install.sql")
        for name in re.findall(r"errcode = '(\w+)'", source.read(path))
    }
    assert raised <= listed.keys()
    # what the page says is PostgreSQL's own
    assert listed.keys() - raised == {"undefined_function"}


def test_every_function_of_the_door_is_on_the_page(conn: psycopg.Connection) -> None:
    """Whatever is commented, and not as internal, is for people to call."""
    found = conn.execute(
        "select proname::text, coalesce(obj_description(oid, 'pg_proc'), '') from"
        " pg_proc where pronamespace = 'mrl'::regnamespace and proname !~ '^_'"
    ).fetchall()
    page = PAGE.read_text(encoding="utf-8")
    missing = {name for name, _ in found if name not in page}
    # what these serve, others of the page call
    assert missing <= {"check_owner", "index_bytes", "refuse_dims", "unregister"}
    assert all(comment for _, comment in found)


def test_psql_lists_what_people_call(database: str, pg_version: int) -> None:
    """`\\df mrl.[^_]*` shows what files under `functions/` make, and nothing else."""
    program = server.bin_dir(pg_version) / "psql"
    done = subprocess.run(
        [program, "-X", "-A", "-t", "-d", database, "-c", r"\df mrl.[^_]*"],
        capture_output=True,
        text=True,
        check=True,
    )
    listed = {line.split("|")[1] for line in done.stdout.splitlines()}
    made = re.compile(r"^create .*(?:function|procedure) mrl\.(\w+)", re.MULTILINE)
    assert listed == {
        name
        for path in (ROOT / "sql" / "functions").glob("*.sql")
        for name in made.findall(path.read_text())
    }
