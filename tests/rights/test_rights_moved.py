"""Nothing that is known of a table becomes another's, wherever its number turns up."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.calibrations import never_exact, promised
from support.databases import Conn, connect, role
from support.servers import psql, run
from support.sql_calls import create, one, stock, text
from support.tables import make_table
from support.vectors import matryoshka

from mrl_pg import install

ROWS = matryoshka(60)
KNOWN = "select table_name::text from mrl.indexes order by 1"
KEPT = "select table_name::text from mrl.kept_queries"
ROOMS = "select relname::text from pg_class where relname ~ '^_queries_[0-9]+$'"
OWNERS = ("moved_owner", "moved_stranger")


@pytest.fixture
def filled(conn: Conn, database: str) -> Iterator[Conn]:
    """A table `docs` of an owner with all that can be known of it."""
    for name in OWNERS:
        role(conn, database, name)
    conn.execute("grant create on schema public to moved_owner, moved_stranger")
    never_exact(conn)
    conn.execute("set role moved_owner")
    stock(conn, ROWS)
    know(conn)
    conn.execute("reset role")
    yield conn
    for name in OWNERS:
        conn.execute(f"drop owned by {name} cascade".encode())


def know(conn: Conn) -> None:
    """Calibrate, measure, and keep a query."""
    conn.execute("select mrl.calibrate('docs', 'embedding', k => 3, sample => 20)")
    conn.execute(
        "select mrl.recall('docs', 'embedding', k => 3, sample => 3, keep => true)"
    )
    conn.execute("select mrl.sample_queries('docs', 'embedding', 1, 2)")
    assert one(conn, "select mrl.keep_query('docs', 'embedding', %s)", text(ROWS[0]))


def like_docs(conn: Conn) -> int:
    """A table of the stranger that could be taken for `docs`; its number."""
    conn.execute("drop schema if exists theirs cascade")
    conn.execute("create schema theirs authorization moved_stranger")
    conn.execute("set role moved_stranger")
    make_table(conn, ROWS, schema="theirs")
    conn.execute("reset role")
    number: int = one(conn, "select 'theirs.docs'::regclass::oid")
    return number


def assert_nobodys(conn: Conn) -> None:
    """The stranger has nothing of what was known of `docs`, and any call sweeps it."""
    for table in ("registry", "calibrations", "measurements", "query_sampling"):
        assert one(conn, f"select count(*) from mrl.{table}") == 0
    assert one(conn, "select count(*) from mrl._registry") == 1
    conn.execute("set role moved_stranger")
    assert conn.execute(KEPT).fetchall() == []
    assert one(conn, "select kept from mrl._kept('theirs.docs', 'embedding')") == 0
    assert not one(
        conn, "select mrl.keep_query('theirs.docs', 'embedding', %s)", text(ROWS[0])
    )
    create(conn, "theirs.docs")
    assert conn.execute(KNOWN).fetchall() == [("theirs.docs",)]
    assert one(conn, "select count(*) from mrl.calibrations") == 0
    conn.execute("reset role")
    for table in ("_tables", "_registry"):
        assert one(conn, f"select count(*) from mrl.{table}") == 1
    for table in ("_calibrations", "_measurements", "_query_sampling"):
        assert one(conn, f"select count(*) from mrl.{table}") == 0
    assert conn.execute(ROOMS).fetchall() == []


def test_a_number_that_is_given_again_brings_nothing(filled: Conn) -> None:
    filled.execute("drop table docs")
    number = like_docs(filled)
    # as after four thousand million objects
    filled.execute("update mrl._tables set table_id = %s, table_oid = %s", [number] * 2)
    assert_nobodys(filled)


@pytest.mark.parametrize("swept", [False, True])
def test_what_is_dumped_of_a_dropped_table_is_nobodys(
    filled: Conn,
    database: str,
    bare_database: str,
    pg_version: int,
    tmp_path: Path,
    swept: bool,
) -> None:
    number = one(filled, "select 'docs'::regclass::oid")
    filled.execute("drop table docs")
    like_docs(filled)
    if swept:
        filled.execute("select mrl._sweep()")
    file = tmp_path / "dump"
    for section in ("pre-data", "data", "post-data"):
        run(
            pg_version,
            "pg_dump",
            *("-d", database, "-f", str(file), f"--section={section}"),
        )
        written = file.read_text()
        if section == "data" and not swept:
            # the number that a stranger's table has by then
            with connect(bare_database) as restored:
                there = one(restored, "select 'theirs.docs'::regclass::oid")
            written, count = re.subn(rf"\b{number}\b", str(there), written)
            assert count == 2
            file.write_text(written)
        psql(pg_version, bare_database, "-f", str(file))
    with connect(bare_database) as restored:
        if swept:
            assert one(restored, "select count(*) from mrl._tables") == 0
            assert restored.execute(ROOMS).fetchall() == []
        else:
            assert_nobodys(restored)


def test_a_live_table_keeps_all_whatever_it_is_called_and_whoever_owns_it(
    filled: Conn, database: str, bare_database: str, pg_version: int, tmp_path: Path
) -> None:
    filled.execute("create schema theirs authorization moved_stranger")
    filled.execute("alter table docs rename to articles")
    filled.execute("alter table articles set schema theirs")
    filled.execute("alter table theirs.articles owner to moved_stranger")
    file = str(tmp_path / "dump")
    run(pg_version, "pg_dump", "-d", database, "-f", file)
    psql(pg_version, bare_database, "-f", file)
    for url in (database, bare_database):
        with connect(url) as conn:
            for again in range(2):
                assert conn.execute(KNOWN).fetchall() == [("theirs.articles",)]
                assert one(conn, "select count(*) from mrl.measurements") == 1
                assert one(conn, "select count(*) from mrl.calibrations") > 0
                conn.execute("set role moved_owner")
                assert conn.execute(KEPT).fetchall() == []
                conn.execute("set role moved_stranger")
                assert conn.execute(KEPT).fetchall() == [("theirs.articles",)]
                if again:
                    # a write brings the row up to date
                    forget = "select mrl.forget_queries('theirs.articles', 'embedding')"
                    assert one(conn, forget) == 1
                conn.execute("reset role")
                install(conn)
                stale = (
                    "select count(*) from mrl._tables as known join mrl._identities as"
                    " identity on identity.table_oid = known.table_id where"
                    " (known.table_oid, known.born, known.named)"
                    " <> (identity.table_oid, identity.born, identity.named)"
                )
                assert one(conn, stale) == 0


def test_a_restored_number_that_happens_to_be_the_old_one_is_its_tables(
    filled: Conn,
) -> None:
    """As in a cluster that was made alike: told by name and owner, then."""
    filled.execute("update mrl._tables set born = '1/2'")
    assert filled.execute(KNOWN).fetchall() == [("docs",)]
    assert promised(filled, k=3, recall=0.1).standing == "rows"
    filled.execute("alter table docs owner to moved_stranger")
    assert filled.execute(KNOWN).fetchall() == []
