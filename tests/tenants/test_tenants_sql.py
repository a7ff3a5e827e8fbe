"""Many tenants in one table, in SQL: settings, statements, searches of one tenant."""

from collections.abc import Iterator
from typing import Any

import pytest
from psycopg import errors, sql
from support.databases import Conn, Server, connect, role
from support.plans import force_index
from support.sql_calls import ids, keys, many, one, text
from support.sql_plans import ordered, planned, tree
from support.sql_state import refused
from support.tables import Docs
from support.tenants import (
    KEYS,
    LARGE,
    SMALL,
    carry_out,
    nearest_of,
    set_tenants,
    tenants_table,
)
from support.vectors import matryoshka

from mrl_pg import MatryoshkaIndex

VECTORS = matryoshka(2000)
QUERY = VECTORS[0] * 0.6 + VECTORS[1500] * 0.4
INDEX = "select index_name from mrl.tenant_indexes where tenant = %s"


@pytest.fixture(scope="module")
def docs(pg_server: Server) -> Iterator[Docs]:
    """A table whose large tenant has an index."""

    def build(url: str) -> None:
        with connect(url) as conn:
            tenants_table(conn, VECTORS)
            set_tenants(conn, dims=32, kind="halfvec")
            carry_out(conn)

    layout = MatryoshkaIndex("docs", "embedding", dims=32)
    with pg_server.copy_of("tenants", build) as url, connect(url) as conn:
        force_index(conn)
        yield Docs(url, conn, VECTORS, layout)


def recall(found: list[int], truth: list[int]) -> float:
    return len({*found} & {*truth}) / len(truth)


def test_a_large_tenant_is_searched_by_its_own_index(docs: Docs) -> None:
    name = one(docs.conn, INDEX, "1")
    for form in ("rows", "keys", "batch"):
        asked = [QUERY, VECTORS[3]] if form == "batch" else [QUERY]
        assert ordered(planned(docs.conn, form, asked, tenant="1")) == [name]
    truth = nearest_of(VECTORS, QUERY, LARGE)
    found = ids(docs.conn, QUERY, tenant="1")
    assert recall(found, truth) >= 0.8
    assert ids(docs.conn, QUERY, tenant="1", candidates=900) == truth
    assert [key for key, _ in keys(docs.conn, QUERY, tenant="1")] == found
    batch = many(docs.conn, [QUERY, VECTORS[3]], tenant="1")
    assert [key for key, _ in batch[0]] == found


def test_a_small_tenant_is_searched_exactly_by_the_index_of_the_key(docs: Docs) -> None:
    plan = planned(docs.conn, "rows", [QUERY], tenant=str(SMALL))
    assert not ordered(plan)
    assert "docs_tenant_id_idx" in str(tree(plan))
    assert ids(docs.conn, QUERY, tenant=str(SMALL)) == nearest_of(VECTORS, QUERY, SMALL)
    # none has this key
    assert ids(docs.conn, QUERY, tenant="999") == []


def test_a_filter_holds_beside_the_tenant(docs: Docs) -> None:
    name = one(docs.conn, INDEX, "1")
    options: dict[str, Any] = {"filter": "n < $1::int -- of all", "args": ["50"]}
    assert ordered(planned(docs.conn, "rows", [QUERY], tenant="1", **options)) == [name]
    inside = [row for row in range(1, 1001) if row % 100 < 50]
    truth = nearest_of(VECTORS, QUERY, LARGE, ids=inside)
    wide = {**options, "candidates": 400}
    assert ids(docs.conn, QUERY, tenant="1", **wide) == truth
    few = [row for row in range(1001, 2001) if 3 + row % 50 == SMALL and row % 100 < 50]
    truth = nearest_of(VECTORS, QUERY, SMALL, ids=few)
    assert ids(docs.conn, QUERY, tenant=str(SMALL), **options) == truth


def test_exact_search_of_a_large_tenant(docs: Docs) -> None:
    assert not ordered(planned(docs.conn, "rows", [QUERY], tenant="1", exact=True))
    truth = nearest_of(VECTORS, QUERY, LARGE)
    assert ids(docs.conn, QUERY, tenant="1", exact=True) == truth


def test_the_view_says_size_and_recall(docs: Docs) -> None:
    recall = one(docs.conn, "select mrl.tenant_recall('docs', 'embedding', '1')")
    assert 0.7 < recall <= 1
    row = docs.conn.execute(
        "select tenant, state, estimated_rows, index_bytes > 0, recall, k"
        " from mrl.tenant_indexes"
    ).fetchall()
    assert row == [("1", "valid", 1000, True, recall, 10)]
    hint = "select * from mrl.tenant_indexes"
    with refused(errors.ObjectNotInPrerequisiteState, "searches are exact", hint):
        one(docs.conn, "select mrl.tenant_recall('docs', 'embedding', '7')")


@pytest.mark.parametrize("option", ["dims", "kind", "index_name"])
def test_what_says_which_index_is_refused(docs: Docs, option: str) -> None:
    values = {"dims": 32, "kind": "halfvec", "index_name": "x"}
    given: dict[str, Any] = {option: values[option]}
    with refused(errors.InvalidParameterValue, option, "leave it out"):
        ids(docs.conn, QUERY, tenant="1", **given)


def test_a_key_of_another_type_is_refused(docs: Docs) -> None:
    with refused(errors.InvalidParameterValue, "'a' is no value of key column", "text"):
        ids(docs.conn, QUERY, tenant="a")


def test_a_column_without_tenants(conn: Conn) -> None:
    tenants_table(conn, VECTORS[:20])
    kind = errors.ObjectNotInPrerequisiteState
    with refused(kind, "belong to no tenants", "mrl.set_tenants"):
        ids(conn, QUERY, tenant="1")


def indexes(conn: Conn) -> dict[str, str]:
    rows = conn.execute("select tenant, state from mrl.tenant_indexes").fetchall()
    return dict(rows)


def resize(conn: Conn, tenant: int, rows: int) -> None:
    """Leave a tenant so many rows."""
    conn.execute(
        "update docs set tenant_id = null where id in ("
        "select id from docs where tenant_id = %s order by id offset %s)",
        [tenant, rows],
    )


def test_an_index_stays_until_its_tenant_is_much_smaller(conn: Conn) -> None:
    tenants_table(conn, VECTORS)
    set_tenants(conn, threshold=600)
    assert len(carry_out(conn)) == 2
    assert indexes(conn) == {"1": "valid"}
    assert carry_out(conn) == []
    # below the threshold, above half of it
    resize(conn, LARGE, 500)
    assert carry_out(conn) == []
    resize(conn, LARGE, 250)
    dropped, forgotten = carry_out(conn)
    assert "drop index concurrently" in dropped
    assert "_forget_tenant" in forgotten
    assert indexes(conn) == {}
    assert carry_out(conn) == []


def test_only_the_largest_get_an_index(conn: Conn) -> None:
    tenants_table(conn, VECTORS)
    set_tenants(conn, threshold=15, most=3)
    carry_out(conn)
    assert {*indexes(conn).values()} == {"valid"}
    assert len(indexes(conn)) == 3
    assert "1" in indexes(conn)
    set_tenants(conn, threshold=15, most=4)
    carry_out(conn)
    assert len(indexes(conn)) == 4


def test_a_broken_build_is_finished_and_a_dropped_index_is_built_again(
    conn: Conn,
) -> None:
    tenants_table(conn, VECTORS)
    set_tenants(conn)
    carry_out(conn)
    name = one(conn, INDEX, "1")
    truth = nearest_of(VECTORS, QUERY, LARGE)
    conn.execute(
        "update pg_index set indisvalid = false where indexrelid = %s::regclass", [name]
    )
    assert indexes(conn) == {"1": "invalid"}
    # exact meanwhile
    assert ids(conn, QUERY, tenant="1") == truth
    assert len(carry_out(conn)) == 2
    assert indexes(conn) == {"1": "valid"}
    conn.execute(sql.SQL("drop index {}").format(sql.Identifier(name)))
    assert indexes(conn) == {"1": "missing"}
    assert ids(conn, QUERY, tenant="1") == truth
    assert len(carry_out(conn)) == 1
    force_index(conn)
    assert ordered(planned(conn, "rows", [QUERY], tenant="1")) == [name]


def test_an_index_of_another_is_never_dropped(conn: Conn) -> None:
    tenants_table(conn, VECTORS)
    set_tenants(conn)
    statements = [
        row[0] for row in conn.execute("select mrl.tenants_sql('docs', 'embedding')")
    ]
    conn.execute(
        "create index other on docs using hnsw (embedding vector_cosine_ops)"
        " where (tenant_id = 1)"
    )
    name = statements[1].split()[3]
    conn.execute(sql.SQL("alter index other rename to {}").format(sql.Identifier(name)))
    with refused(errors.DuplicateObject, "mrl_pg did not make it", "rename or drop"):
        carry_out(conn)
    conn.execute(sql.SQL("alter index {} rename to other").format(sql.Identifier(name)))
    carry_out(conn)
    set_tenants(conn, threshold=5000)
    carry_out(conn)
    left = "select count(*) from pg_class where relname = 'other'"
    assert one(conn, left) == 1
    assert indexes(conn) == {}


def test_the_ordinary_index_is_the_first_step(conn: Conn) -> None:
    tenants_table(conn, VECTORS)
    conn.execute("drop index docs_tenant_id_idx")
    set_tenants(conn)
    first, *_ = carry_out(conn)
    assert first == (
        "create index concurrently docs_tenant_id_idx on public.docs (tenant_id)"
    )
    assert carry_out(conn) == []


def test_all_of_it_can_be_undone(conn: Conn) -> None:
    tenants_table(conn, VECTORS)
    set_tenants(conn)
    carry_out(conn)
    kind = errors.ObjectNotInPrerequisiteState
    with refused(kind, "1 tenants have an index", "mrl-pg tenants drop"):
        conn.execute("select mrl.set_tenants('docs', 'embedding', null)")
    with refused(kind, "than you ask for", "mrl-pg tenants drop"):
        set_tenants(conn, dims=32)
    carry_out(conn, drop_all=True)
    assert indexes(conn) == {}
    assert one(conn, "select count(*) from mrl.tenants") == 0
    assert (
        one(conn, "select count(*) from pg_class where relname ~ '_[0-9a-f]{12}$'") == 0
    )


@pytest.mark.parametrize(
    "key_type", [*KEYS, "varchar(40)", "char(8)", "domain", "enum"]
)
def test_keys_of_every_usual_type(conn: Conn, key_type: str) -> None:
    vectors = VECTORS[:400]
    conn.execute("create domain whose as int check (value > 0)")
    labels = ", ".join(f"'{number}'" for number in range(1, 60))
    conn.execute(f"create type label as enum ({labels})")
    kind = {"domain": "whose", "enum": "label"}.get(key_type, key_type)
    tenants_table(conn, vectors, key_type=kind)
    set_tenants(conn, threshold=100)
    carry_out(conn)
    key = KEYS.get(key_type, "{}").format(LARGE)
    (known,) = indexes(conn)
    name = one(conn, INDEX, known)
    force_index(conn)
    assert ordered(planned(conn, "rows", [QUERY], tenant=key)) == [name]
    truth = nearest_of(vectors, QUERY, LARGE)
    assert ids(conn, QUERY, tenant=key, candidates=200) == truth
    few = KEYS.get(key_type, "{}").format(SMALL)
    assert ids(conn, QUERY, tenant=few) == nearest_of(vectors, QUERY, SMALL)


def test_rows_without_a_key_belong_to_no_tenant(conn: Conn) -> None:
    tenants_table(conn, VECTORS[:400])
    conn.execute("update docs set tenant_id = null where id > 100")
    set_tenants(conn, threshold=50)
    carry_out(conn)
    assert indexes(conn) == {"1": "valid"}


def test_names_that_need_quotes(conn: Conn) -> None:
    tenants_table(conn, VECTORS[:400], key="Tenant 100%")
    conn.execute('alter table docs rename to "My docs"')
    conn.execute(
        "select mrl.set_tenants('\"My docs\"', 'embedding', 'Tenant 100%', 100)"
    )
    for row in conn.execute(
        "select mrl.tenants_sql('\"My docs\"', 'embedding')"
    ).fetchall():
        conn.execute(row[0])
    assert indexes(conn) == {"1": "valid"}
    found = ids(conn, QUERY, table='"My docs"', tenant="1", candidates=200)
    assert found == nearest_of(VECTORS[:400], QUERY, LARGE)


def test_settings_that_make_no_sense(conn: Conn) -> None:
    tenants_table(conn, VECTORS[:20])
    wrong = errors.InvalidParameterValue
    with refused(wrong, "threshold 0 is below 1"):
        set_tenants(conn, threshold=0)
    with refused(wrong, "low 401 is outside 0 to threshold 400"):
        set_tenants(conn, low=401)
    with refused(wrong, "most -1 is below 0"):
        set_tenants(conn, most=-1)
    with refused(wrong, "dims 65 is above the 64"):
        set_tenants(conn, dims=65)
    with refused(errors.UndefinedColumn, "column public.docs.nobody does not exist"):
        conn.execute("select mrl.set_tenants('docs', 'embedding', 'nobody')")
    with refused(errors.DatatypeMismatch, "cannot compare"):
        conn.execute("select mrl.set_tenants('docs', 'embedding', 'embedding')")
    conn.execute(
        "create table parts (id int primary key, t int, embedding vector(64))"
        " partition by hash (id)"
    )
    with refused(errors.FeatureNotSupported, "has partitions", "each partition"):
        conn.execute("select mrl.set_tenants('parts', 'embedding', 't')")


def test_size_kind_and_distance_are_those_of_the_index_in_use(conn: Conn) -> None:
    tenants_table(conn, VECTORS[:400])
    MatryoshkaIndex("docs", "embedding", dims=32, distance="l2", m=8).create(conn)
    set_tenants(conn, threshold=100)
    told = "select dims, kind, distance, m, threshold, low, most from mrl.tenants"
    assert conn.execute(told).fetchall() == [(32, "halfvec", "l2", 8, 100, 50, 100)]
    carry_out(conn)
    # by the index of the tenant, not by the one of all rows
    conn.execute("analyze docs")
    force_index(conn)
    plan = planned(conn, "rows", [QUERY], tenant="1")
    assert ordered(plan) == [one(conn, INDEX, "1")]
    far = one(
        conn,
        "select max(embedding <-> %s) from docs where id = any (%s)",
        text(QUERY),
        ids(conn, QUERY, tenant="1", candidates=200),
    )
    truth = one(
        conn,
        "select max(d) from (select embedding <-> %s as d from docs where"
        " tenant_id = 1 order by 1 limit 10) as x",
        text(QUERY),
    )
    assert far == pytest.approx(truth)


def test_after_a_rename_set_tenants_takes_the_indexes_over(conn: Conn) -> None:
    tenants_table(conn, VECTORS[:400])
    set_tenants(conn, threshold=100)
    carry_out(conn)
    conn.execute("alter table docs rename tenant_id to whose")
    conn.execute("alter table docs rename embedding to vectors")
    conn.execute("select mrl.set_tenants('docs', 'vectors', 'whose', 100)")
    assert conn.execute("select mrl.tenants_sql('docs', 'vectors')").fetchall() == []
    assert indexes(conn) == {"1": "valid"}


SEES_ONE = """
alter table docs enable row level security;
create policy own on docs using (tenant_id = current_setting('app.tenant')::int);
grant select on docs to tenant_one;
"""
REFUSED = (
    "select mrl.set_tenants('docs', 'embedding', 'n')",
    "select mrl.tenants_sql('docs', 'embedding')",
    "select mrl.tenant_recall('docs', 'embedding', '1')",
    "select mrl._know_tenant('docs', 'embedding', '7', 'x')",
    "select mrl._forget_tenant('docs', 'embedding', '1')",
)
TAKES = (
    "insert into mrl._removals (entry, tenants_of, tenant)"
    " select entry, 'embedding', '1' from mrl._tenants"
)


def test_row_level_security_holds_and_sizes_stay_secret(
    conn: Conn, database: str
) -> None:
    tenants_table(conn, VECTORS)
    set_tenants(conn)
    carry_out(conn)
    name = one(conn, INDEX, "1")
    role(conn, database, "tenant_one")
    conn.execute(SEES_ONE)
    conn.execute("set role tenant_one")
    force_index(conn)
    try:
        conn.execute("set app.tenant = '1'")
        assert ordered(planned(conn, "rows", [QUERY], tenant="1")) == [name]
        truth = nearest_of(VECTORS, QUERY, LARGE)
        assert ids(conn, QUERY, tenant="1", candidates=900) == truth
        # another tenant's rows
        assert ids(conn, QUERY, tenant=str(SMALL)) == []
        conn.execute(f"set app.tenant = '{SMALL}'")
        assert ids(conn, QUERY, tenant="1") == []
        truth = nearest_of(VECTORS, QUERY, SMALL)
        assert ids(conn, QUERY, tenant=str(SMALL)) == truth
        assert conn.execute("select * from mrl.tenant_indexes").fetchall() == []
        for call in REFUSED:
            with pytest.raises(errors.InsufficientPrivilege):
                conn.execute(call.encode())
        conn.execute(TAKES)
    finally:
        conn.execute("reset role")
        conn.execute("reset app.tenant")
    assert indexes(conn) == {"1": "valid"}


def test_a_filter_of_your_own_uses_the_index(docs: Docs) -> None:
    name = one(docs.conn, INDEX, "1")
    order = (
        "order by l2_normalize(subvector(embedding, 1, 32))::halfvec(32)"
        f" <=> '{text(VECTORS[0][:32])}' limit 10"
    )
    where = "(tenant_id = 1) is true"
    query = f"explain (costs off) select id from docs where {where} {order}"
    assert name in str(docs.conn.execute(query.encode()).fetchall())
