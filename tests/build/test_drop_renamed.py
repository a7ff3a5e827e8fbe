"""`drop` finds what was renamed by hand, as every other verb does, and nothing else."""

from dataclasses import replace

import pytest
from support.databases import Conn
from support.tables import make_table
from support.vectors import matryoshka

from mrl_pg import IndexNotFound, MatryoshkaIndex, repair, status
from mrl_pg.kinds import Keep

ROWS = matryoshka(60, dims=32)
SHORT = "embedding_16_halfvec"
NAME = f"docs_{SHORT}_cosine_hnsw"
INDEX = MatryoshkaIndex("docs", "embedding", dims=16)

RENAMES: dict[str, tuple[str, ...]] = {
    "index": (f"alter index {NAME} rename to quick",),
    "full column": ("alter table docs rename embedding to vec",),
    "short column": (f"alter table docs rename {SHORT} to brief",),
}
RENAMES["all"] = tuple(text for texts in RENAMES.values() for text in texts)

LEFT = """
select attname::text from pg_attribute
where attrelid = 'docs'::regclass and attnum > 0 and not attisdropped
    and attname not in ('id', 'n', 'title', 'embedding', 'vec')
union all
select tgname from pg_trigger where tgrelid = 'docs'::regclass
union all
select proname from pg_proc where pronamespace = 'public'::regnamespace
    and prosrc like '%embedding%'
union all
select indexrelid::regclass::text from pg_index
where indrelid = 'docs'::regclass and not indisprimary
"""
"""What is there beside the table itself."""

WAYS: list[tuple[Keep, str, bool]] = [
    *(("generated", renamed, False) for renamed in RENAMES),
    *(("trigger", renamed, False) for renamed in ("short column", "all")),
    *(("expression", renamed, False) for renamed in ("index", "all")),
    # the registry then has the new names alone
    ("generated", "all", True),
    ("expression", "index", True),
]


@pytest.mark.parametrize(("keep", "renamed", "repaired"), WAYS)
def test_what_was_renamed_is_dropped(
    conn: Conn, keep: Keep, renamed: str, repaired: bool
) -> None:
    make_table(conn, ROWS)
    column = "vec" if renamed in ("full column", "all") else "embedding"
    for by_sql in (False, True):
        replace(INDEX, keep=keep).create(conn)
        for statement in RENAMES[renamed]:
            if keep != "expression" or SHORT not in statement.split():
                conn.execute(statement.encode())
        if repaired:
            assert repair(conn).changed
        if by_sql:
            call = f"select mrl.drop_index('docs', '{column}', dims => 16)"
            name = "quick" if renamed in ("index", "all") else NAME
            assert conn.execute(call.encode()).fetchall() == [(name,)]
        else:
            layout = MatryoshkaIndex("docs", column, dims=16)
            assert layout.drop(conn).changed
            assert not layout.drop(conn).changed
        assert conn.execute(LEFT.encode()).fetchall() == []
        assert conn.execute("select from mrl.registry").fetchall() == []
        assert status(conn) == ()
        if column == "vec":
            conn.execute("alter table docs rename vec to embedding")


def test_an_index_that_is_only_alike_stays(conn: Conn) -> None:
    """A search of the default names finds it by what it is; a drop must not."""
    make_table(conn, ROWS)
    alike = replace(INDEX, name="alike", short="alike_16", keep="generated")
    alike.create(conn)
    assert INDEX.search(conn, ROWS[0], k=1).index_name == "alike"
    assert not INDEX.drop(conn).changed
    INDEX.create(conn)
    assert INDEX.drop(conn).changed
    assert not INDEX.drop(conn).changed
    assert alike.search(conn, ROWS[0], k=1).index_name == "alike"
    assert alike.drop(conn).changed
    with pytest.raises(IndexNotFound):
        alike.search(conn, ROWS[0], k=1)


def test_the_index_of_a_renamed_table_is_dropped(conn: Conn) -> None:
    make_table(conn, ROWS)
    INDEX.create(conn)
    conn.execute("alter table docs rename to papers")
    assert replace(INDEX, table="papers", name="").drop(conn).changed
    assert status(conn) == ()
