"""Create and drop: what is made, what a second run does, and who may do it."""

import subprocess
import threading
from typing import Any

import numpy as np
import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from mrl_pg import (
    BuildReport,
    InvalidSetting,
    MatryoshkaIndex,
    NotInstalled,
    server,
    uninstall,
)
from mrl_pg.kinds import Distance, Kind

Conn = psycopg.Connection[Any]
INDEX = MatryoshkaIndex("docs", "embedding", dims=4)
COLUMNS = (
    "select attname, format_type(atttypid, atttypmod), attgenerated, attstorage, "
    "pg_get_expr(adbin, adrelid) from pg_attribute left join pg_attrdef "
    "on adrelid = attrelid and adnum = attnum "
    "where attrelid = 'docs'::regclass and attnum > 2 and not attisdropped"
)
INDEXES = (
    "select indexdef from pg_indexes where tablename = 'docs' "
    "and indexname <> 'docs_pkey'"
)


@pytest.fixture
def docs(conn: Conn) -> Conn:
    """A table of 50 unit vectors of 8 dimensions, a zero one and a NULL."""
    make(conn, 50)
    conn.execute("insert into docs values (100, '[0,0,0,0,0,0,0,0]'), (101, null)")
    return conn


def make(conn: Conn, rows: int, dims: int = 8) -> None:
    conn.execute(
        sql.SQL("create table docs (id int primary key, embedding vector({}))").format(
            sql.Literal(dims)
        )
    )
    vectors = np.random.default_rng(2).standard_normal((rows, dims))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    with conn.cursor().copy("copy docs from stdin") as copy:
        for i, vector in enumerate(vectors.astype(np.float32).tolist()):
            copy.write_row([i, str(vector)])


def schema_of(database: str, version: int) -> list[str]:
    dump = subprocess.run(
        [server.bin_dir(version) / "pg_dump", "--schema-only", database],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    # each dump guards itself with a password of its own
    return [line for line in dump.splitlines() if "restrict " not in line]


# four signs are too few to tell rows apart, which is not the point here
@pytest.mark.filterwarnings("ignore::mrl_pg.SameShortValuesWarning")
@pytest.mark.parametrize("kind", ["vector", "halfvec", "bit"])
@pytest.mark.parametrize("distance", ["cosine", "l2", "ip"])
def test_what_is_made(docs: Conn, kind: Kind, distance: Distance) -> None:
    docs.execute("delete from docs where id = 100")
    index = MatryoshkaIndex(
        "docs", "embedding", dims=4, kind=kind, distance=distance, m=8
    )
    report = index.create(docs)
    expression = (
        "(binary_quantize(subvector(embedding, 1, 4)))::bit(4)"
        if kind == "bit"
        else f"(l2_normalize(subvector(embedding, 1, 4)))::{kind}(4)"
    )
    made = docs.execute(COLUMNS).fetchall()
    assert made == [(index.short, f"{kind}(4)", "s", "m", expression)]
    operators = "bit_hamming_ops" if kind == "bit" else f"{kind}_{distance}_ops"
    assert docs.execute(INDEXES).fetchall() == [
        (
            f"CREATE INDEX {index.name} ON public.docs USING hnsw "
            f"({index.short} {operators}) WITH (m='8', ef_construction='64')",
        )
    ]
    assert report.changed
    # a NULL is in no index
    assert report.rows == 50
    assert report.index_bytes > 0
    docs.execute("analyze docs")
    row = docs.execute(
        "select table_name::text, full_column::text, full_dims, short_column::text, "
        "dims, kind, distance, index_name::text, m, ef_construction, usable, "
        "index_bytes, estimated_rows from mrl.indexes"
    ).fetchone()
    assert row == (
        *("docs", "embedding", 8, index.short, 4, kind, distance, index.name),
        *("8", "64", True, report.index_bytes, 51),
    )


def test_the_report_is_one_sentence(docs: Conn) -> None:
    made = str(INDEX.create(docs))
    assert made.startswith(
        "docs.embedding → 4 halfvec (cosine): added column embedding_4_halfvec in 0."
    )
    assert "built index docs_embedding_4_halfvec_cosine_hnsw in 0." in made
    assert "MB for 50 rows" in made
    kept = "; kept as generated: the table has no vector index; readers and writers "
    assert f"{kept}waited for the table for 0." in made
    nothing = "docs.embedding → 4 halfvec (cosine): nothing to do"
    assert str(INDEX.create(docs)) == nothing
    assert "dropped index" in str(INDEX.drop(docs))
    assert str(INDEX.drop(docs)) == nothing


def test_the_whole_vector_may_be_the_short_one(docs: Conn) -> None:
    MatryoshkaIndex("docs", "embedding", dims=8, kind="bit").create(docs)
    assert docs.execute(COLUMNS).fetchall()[0][1] == "bit(8)"


def test_drop_undoes_exactly_what_create_did(
    docs: Conn, database: str, pg_version: int
) -> None:
    before = schema_of(database, pg_version)
    INDEX.create(docs)
    assert schema_of(database, pg_version) != before
    report = INDEX.drop(docs)
    assert [label for label, _ in report.done] == [
        f"dropped index {INDEX.name}",
        f"dropped column {INDEX.short}",
    ]
    assert (report.index_bytes, report.rows) == (0, 0)
    assert schema_of(database, pg_version) == before
    assert docs.execute("select * from mrl.registry").fetchall() == []
    assert not INDEX.drop(docs).changed
    assert INDEX.create(docs).changed


@pytest.mark.parametrize(
    "other",
    [
        "create index other on docs (embedding_4_halfvec)",
        "create index other on docs ((embedding_4_halfvec::text))",
        "create index other on docs (id) where embedding_4_halfvec is not null",
    ],
)
def test_drop_keeps_a_column_that_another_index_uses(docs: Conn, other: str) -> None:
    INDEX.create(docs)
    docs.execute(other.encode())
    INDEX.drop(docs)
    assert len(docs.execute(INDEXES).fetchall()) == 1
    assert len(docs.execute(COLUMNS).fetchall()) == 1
    docs.execute("drop index other")
    assert INDEX.drop(docs).changed
    assert docs.execute(COLUMNS).fetchall() == []


def test_two_distances_share_a_column(docs: Conn) -> None:
    other = MatryoshkaIndex("docs", "embedding", dims=4, distance="ip", m=8)
    docs.execute("delete from docs where id = 100")
    INDEX.create(docs)
    assert [label for label, _ in other.create(docs).done] == [
        f"built index {other.name}"
    ]
    INDEX.drop(docs)
    assert not other.create(docs).changed
    other.drop(docs)
    assert docs.execute(COLUMNS).fetchall() == []


def test_a_failed_build_leaves_no_column(docs: Conn) -> None:
    docs.execute(
        "create function fail() returns event_trigger language plpgsql as "
        "$$ begin raise exception 'not today'; end $$"
    )
    docs.execute(
        "create event trigger fail on ddl_command_end when tag in ('CREATE INDEX') "
        "execute function fail()"
    )
    before = docs.execute("show maintenance_work_mem").fetchone()
    with pytest.raises(psycopg.errors.RaiseException, match="not today"):
        INDEX.create(docs, maintenance_work_mem="3MB")
    with docs.transaction():
        with pytest.raises(psycopg.errors.RaiseException, match="not today"):
            INDEX.create(docs, maintenance_work_mem="3MB")
        assert docs.execute("show maintenance_work_mem").fetchone() == before
    assert docs.execute(COLUMNS).fetchall() == []
    assert docs.execute("select * from mrl.registry").fetchall() == []
    docs.execute("drop event trigger fail")
    assert INDEX.create(docs).changed


def test_concurrent_creates_end_in_one_index(docs: Conn, database: str) -> None:
    reports: list[BuildReport] = []
    barrier = threading.Barrier(2)

    def run() -> None:
        with psycopg.connect(database, autocommit=True) as conn:
            barrier.wait()
            reports.append(INDEX.create(conn))

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(report.changed for report in reports) == [False, True]
    assert len(docs.execute(INDEXES).fetchall()) == 1


def test_create_and_drop_roll_back_with_the_caller(docs: Conn) -> None:
    with docs.transaction(force_rollback=True):
        INDEX.create(docs)
        assert not INDEX.create(docs).changed
    assert docs.execute(COLUMNS).fetchall() == []
    INDEX.create(docs)
    with docs.transaction(force_rollback=True):
        INDEX.drop(docs)
    assert not INDEX.create(docs).changed


def test_without_the_schema_mrl(docs: Conn) -> None:
    INDEX.create(docs)
    uninstall(docs)
    other = MatryoshkaIndex("docs", "embedding", dims=2)
    with pytest.raises(NotInstalled, match=r"mrl_pg.install\(conn\)"):
        other.create(docs)
    assert len(docs.execute(COLUMNS).fetchall()) == 1
    INDEX.drop(docs)
    assert docs.execute(COLUMNS).fetchall() == []


def test_an_ordinary_role_that_owns_the_table(conn: Conn, database: str) -> None:
    conn.execute("create role build_owner login")
    conn.execute("create schema mine authorization build_owner")
    index = MatryoshkaIndex("docs", "embedding", dims=4, schema="mine")
    with psycopg.connect(
        make_conninfo(database, user="build_owner"), autocommit=True
    ) as own:
        own.execute("set search_path to mine, public")
        make(own, 20)
        assert index.create(own, workers=0, maintenance_work_mem="4MB").rows == 20
        assert not index.create(own).changed
        assert len(index.search(own, [1, 0, 0, 0, 0, 0, 0, 0], k=5)) == 5
        assert index.drop(own).changed
        assert own.execute("select * from mrl.registry").fetchall() == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"workers": -1}, "workers=-1 is outside 0 to 1024"),
        ({"workers": 10**5000}, "outside 0 to 1024"),
        ({"workers": "2"}, "workers='2' is not a whole number"),
        ({"maintenance_work_mem": "much"}, "'much' is not a size"),
        ({"maintenance_work_mem": "4\0MB"}, "is not a size"),
        ({"maintenance_work_mem": 4096}, "4096 is not a size"),
        ({"maintenance_work_mem": "1kB"}, "maintenance_work_mem='1kB': 1"),
    ],
)
def test_settings_that_no_server_takes(
    docs: Conn, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(InvalidSetting, match=message):
        INDEX.create(docs, **options)
    with docs.transaction(), pytest.raises(InvalidSetting, match=message):
        INDEX.create(docs, **options)
    assert docs.execute(COLUMNS).fetchall() == []
