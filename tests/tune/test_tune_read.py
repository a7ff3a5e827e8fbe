"""What is read of a table: rows by COPY, samples, queries; and what sizes come out."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pytest
from psycopg import sql
from support.databases import Conn, Server, connect
from support.tables import make_table
from support.vectors import Vectors, matryoshka

from mrl_pg import MatryoshkaIndex
from mrl_pg.errors import InvalidFile, InvalidSetting, InvalidVector
from mrl_pg.kinds import Kind
from mrl_pg.layout import IndexLayout
from mrl_pg.tune.predict.index_size import column_bytes, index_bytes
from mrl_pg.tune.queries import from_file, from_sql, held_out
from mrl_pg.tune.rows import stream, table
from mrl_pg.tune.rows.stream import Reader, Sample

pytestmark = pytest.mark.every_version

HEAP = """select pg_relation_size(oid) + pg_relation_size(reltoastrelid)
from pg_class where oid = 'docs'::regclass"""
ROWS = 3000
LAYOUT = IndexLayout("docs", "embedding", dims=1)


@pytest.fixture(scope="module")
def vectors() -> Vectors:
    return matryoshka(ROWS)


@pytest.fixture(scope="module")
def docs(pg_server: Server, vectors: Vectors) -> Iterator[Conn]:
    """A table that no test here changes."""
    with pg_server.fresh() as url, connect(url) as conn:
        make_table(conn, vectors)
        yield conn


def read(conn: Conn, share: float = 1, seed: int = 0, layout: IndexLayout = LAYOUT):  # type: ignore[no-untyped-def]
    facts, _ = table.read(conn, layout)
    blocks = list(Reader(facts, layout.column, Sample(share, seed)).blocks(conn))
    return blocks, np.concatenate([block.vectors for block in blocks])


def test_rows_come_as_they_are_in_blocks(
    docs: Conn, vectors: Vectors, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "BLOCK_BYTES", 10_000)
    blocks, found = read(docs)
    np.testing.assert_array_equal(found, vectors)
    assert len(blocks) > 50
    tids = [stream.tid(place) for block in blocks for place in block.places.tolist()]
    known = docs.execute("select ctid::text from docs order by docs.ctid").fetchall()
    assert tids == [row[0] for row in known]


def test_a_sample_is_of_about_its_share_and_the_same_again(
    docs: Conn, vectors: Vectors
) -> None:
    _, one = read(docs, 0.2, seed=1)
    _, same = read(docs, 0.2, seed=1)
    _, other = read(docs, 0.2, seed=2)
    np.testing.assert_array_equal(one, same)
    assert len(one) == pytest.approx(0.2 * ROWS, rel=0.2)
    assert one.shape != other.shape or not np.array_equal(one, other)
    assert Sample.of(1000, 1000, 0).share == 1
    assert Sample.of(1000, 250, 0).share == 0.25


def test_halves_nulls_and_partitions_are_read(conn: Conn, vectors: Vectors) -> None:
    conn.execute(
        """create table docs (id int, embedding halfvec(64), primary key (id))
        partition by range (id)"""
    )
    for i in range(3):
        name = sql.Identifier(f"part {i}")
        ends = sql.Literal(100 * i), sql.Literal(100 * (i + 1))
        conn.execute(
            sql.SQL(
                "create table {} partition of docs for values from ({}) to ({})"
            ).format(name, *ends)
        )
    with conn.cursor().copy("copy docs from stdin") as copy:
        for i, vector in enumerate(vectors[:300].tolist()):
            copy.write_row([i, str(vector) if i % 10 else None])
    blocks, found = read(conn)
    kept = vectors[:300][np.arange(300) % 10 != 0]
    np.testing.assert_array_equal(found, kept.astype(np.float16).astype(np.float32))
    assert len(np.unique(np.concatenate([block.tables for block in blocks]))) == 3
    facts, known = table.read(conn, LAYOUT)
    # never analysed: counted
    assert (known.rows, known.full_type) == (300, "halfvec")
    held = held_out(conn, facts, "embedding", rows=300, count=25, seed=0)
    assert held.held is not None
    reader = Reader(facts, "embedding", Sample(1, 0), held.held)
    rest = np.concatenate([block.vectors for block in reader.blocks(conn)])
    assert (len(held.vectors), len(rest), reader.read) == (25, 245, 245)
    assert not {row.tobytes() for row in rest} & {q.tobytes() for q in held.vectors}


@pytest.mark.parametrize("protected", [False, True])
def test_a_batch_reads_its_pages_alone(
    docs: Conn, monkeypatch: pytest.MonkeyPatch, protected: bool
) -> None:
    texts: list[str] = []
    real = stream.copied

    def copied(conn: Conn, statement: sql.Composed, *rest: Any) -> Any:
        texts.append(statement.as_string(conn))
        return real(conn, statement, *rest)

    monkeypatch.setattr(stream, "copied", copied)
    with docs.transaction(force_rollback=True):
        if protected:
            docs.execute("create role watched")
            docs.execute("grant select on docs to watched")
            docs.execute("create policy titles on docs using (title > 'title 2')")
            docs.execute("alter table docs enable row level security")
            docs.execute("set local role watched")
        blocks, _ = read(docs, 0.5)
        for text in texts:
            rows = text.split("copy (")[1].split(") to stdout")[0]
            plan = docs.execute(f"explain {rows}".encode()).fetchall()
            assert "Tid Range Scan" in "\n".join(row[0] for row in plan)
    assert len(texts) > 1
    read_rows = sum(map(len, blocks))
    assert read_rows == pytest.approx(ROWS * (0.31 if protected else 0.5), rel=0.2)


def test_an_empty_sample_brings_no_block(docs: Conn) -> None:
    facts, _ = table.read(docs, LAYOUT)
    assert list(Reader(facts, "embedding", Sample(1e-9, 0)).blocks(docs)) == []


def test_the_estimate_of_rows_follows_the_table(conn: Conn, vectors: Vectors) -> None:
    make_table(conn, vectors[:1000])
    _, known = table.read(conn, LAYOUT)
    assert known.rows == pytest.approx(1000, rel=0.01)
    # 8 of id, 4 of n, about 10 of the title, 264 of the vector
    assert known.row_width == pytest.approx(286, abs=10)
    assert not known.in_toast
    conn.execute("insert into docs select id + 1000, n, title, embedding from docs")
    _, more = table.read(conn, LAYOUT)
    # pages that were made in advance and stood empty are counted as full
    assert 1100 < more.rows < 2100


def test_too_small_a_table_is_refused(conn: Conn, vectors: Vectors) -> None:
    make_table(conn, vectors[:99])
    with pytest.raises(InvalidSetting, match="99 rows"):
        table.read(conn, LAYOUT)


# ------------------------------------------------------------------ queries


def test_queries_of_a_file_are_drawn_and_checked(
    vectors: Vectors, tmp_path: Path
) -> None:
    some = np.concatenate([vectors[:50], np.zeros((2, 64), np.float32)])
    np.save(tmp_path / "q.npy", some)
    found = from_file(tmp_path / "q.npy", "embedding", 64, count=20, seed=0)
    assert (found.vectors.shape, found.zeros) == ((20, 64), 2)
    assert {q.tobytes() for q in found.vectors} <= {v.tobytes() for v in vectors}
    again = from_file(tmp_path / "q.npy", "embedding", 64, count=20, seed=0)
    np.testing.assert_array_equal(again.vectors, found.vectors)
    (tmp_path / "q.jsonl").write_text('{"embedding": [1, 2]}\n{"embedding": null}\n')
    two = from_file(tmp_path / "q.jsonl", "embedding", 2, count=5, seed=0)
    assert two.vectors.tolist() == [[1, 2]]
    with pytest.raises(InvalidFile, match="2 numbers where 64"):
        from_file(tmp_path / "q.jsonl", "embedding", 64, count=5, seed=0)
    with pytest.raises(InvalidFile, match="no column 'other'"):
        from_file(tmp_path / "q.jsonl", "other", 2, count=5, seed=0)
    np.save(tmp_path / "zeros.npy", np.zeros((3, 64), np.float32))
    with pytest.raises(InvalidVector, match="no query is left"):
        from_file(tmp_path / "zeros.npy", "embedding", 64, count=5, seed=0)


def test_queries_of_a_statement(docs: Conn, vectors: Vectors) -> None:
    facts, _ = table.read(docs, LAYOUT)
    wanted = "select embedding from docs where n = 7 order by id; -- '{}%'"
    wanted = wanted.replace("; --", " --")
    found = from_sql(docs, facts, wanted, count=3)
    np.testing.assert_array_equal(found.vectors, vectors[[6, 106, 206]])
    as_text = from_sql(docs, facts, "select embedding::text from docs;", count=2)
    np.testing.assert_allclose(as_text.vectors, vectors[:2], atol=1e-6)


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("select nothing from docs", "nothing"),
        ("select '[1,2]'::vector", "64 dimensions"),
        ("selekt", "cannot run"),
        ("select embedding, n from docs limit 1) as x (y) where true --", "cannot run"),
        ("delete from docs returning embedding", "cannot run"),
    ],
)
def test_a_statement_that_brings_no_vectors_is_explained(
    docs: Conn, statement: str, words: str
) -> None:
    facts, _ = table.read(docs, LAYOUT)
    with pytest.raises(InvalidSetting, match=words):
        from_sql(docs, facts, statement, count=3)
    with pytest.raises(InvalidVector, match="no query is left"):
        from_sql(docs, facts, "select null::vector", count=3)


# ------------------------------------------------------------------ sizes


@pytest.mark.parametrize("stored", ["plain", "external"])
def test_sizes_are_predicted(conn: Conn, stored: str) -> None:
    """Of index and column, within 3 % (and a page or two) of what is built."""
    rows = np.random.default_rng(2).standard_normal((800, 768)).astype(np.float32)
    make_table(conn, rows, analyze=False)
    conn.execute(
        sql.SQL("alter table docs alter column embedding set storage {}").format(
            sql.SQL(stored)
        )
    )
    conn.execute("update docs set embedding = embedding::real[]::vector")
    conn.execute("analyze docs")
    _, known = table.read(conn, LAYOUT)
    assert known.in_toast == (stored == "external")
    cases: list[tuple[Kind, int, int]] = [
        ("vector", 200, 16),
        ("halfvec", 384, 16),
        ("halfvec", 100, 32),
        ("bit", 768, 16),
    ]
    for kind, dims, m in cases:
        conn.execute("vacuum full docs")
        before = heap(conn)
        index = MatryoshkaIndex("docs", "embedding", dims=dims, kind=kind, m=m)
        report = index.create(conn)
        wanted = index_bytes(kind, dims, len(rows), m)
        assert report.index_bytes == pytest.approx(wanted, rel=0.03, abs=16_384)
        # an insert makes pages in advance, a few dozen: leave those out
        conn.execute(sql.SQL("drop index {}").format(sql.Identifier(index.name)))
        conn.execute("vacuum full docs")
        added = column_bytes(kind, dims, len(rows), known.row_width)
        assert heap(conn) - before == pytest.approx(added, rel=0.03, abs=16_384)
        index.drop(conn)
    assert conn.execute("select count(*) from docs").fetchone() == (800,)


def heap(conn: Conn) -> int:
    found = conn.execute(HEAP).fetchone()
    assert found is not None
    return int(found[0])


def test_a_role_without_rights_reads_nothing(docs: Conn) -> None:
    facts, _ = table.read(docs, LAYOUT)
    docs.execute("create role nobody_reads")
    docs.execute("set role nobody_reads")
    try:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            list(Reader(facts, "embedding", Sample(1, 0)).blocks(docs))
    finally:
        docs.execute("reset role")
        docs.execute("drop role nobody_reads")
