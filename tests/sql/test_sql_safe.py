"""SQL for ordinary roles, under policies, with values that attack."""

from typing import Any

import psycopg
import pytest
from psycopg import errors, sql
from support.calibrations import calibrate
from support.databases import Conn, connect, role
from support.plans import force_index
from support.sql_calls import (
    assert_exact,
    create,
    ids,
    keys,
    many,
    one,
    share,
    stock,
    text,
)
from support.sql_plans import ordered, planned, run, scanning
from support.sql_state import notices, refused
from support.tables import make_table
from support.vectors import matryoshka, nearest

from mrl_pg import MatryoshkaIndex
from mrl_pg.errors import InvalidFilter

VECTORS = matryoshka(600)
QUERY = VECTORS[3] * 0.7 + VECTORS[4] * 0.3
TRUTH = nearest(VECTORS, QUERY)
NAME = "docs_embedding_32_halfvec_cosine_hnsw"
INDEX = MatryoshkaIndex("docs", "embedding", dims=32)


def test_an_ordinary_role_does_everything_on_its_own_table(
    conn: Conn, database: str
) -> None:
    url = role(conn, database, "owner")
    conn.execute("grant create, usage on schema public to owner")
    with connect(url) as owner:
        make_table(owner, VECTORS)
    # each a fresh session, where pgvector's library is not loaded yet
    with connect(url) as owner:
        assert create(owner) == NAME
    with connect(url) as owner:
        for step in (
            "select mrl.create_index_sql('docs', 'embedding', 16, 'bit') as step",
            "select mrl.create_search_function('near', 'docs', 'embedding',"
            " filter => 'n < $1', parameters => array['below int']) as step",
        ):
            for (made,) in owner.execute(step.encode()).fetchall():
                if "near" not in made:
                    owner.execute(made)
    with connect(url) as owner:
        force_index(owner)
        rows = owner.execute("select id from near(100, %s)", [text(QUERY)]).fetchall()
        assert share([row[0] for row in rows], TRUTH) >= 0.9
    with connect(url) as owner:
        force_index(owner)
        with scanning(owner, NAME):
            answers = keys(owner, QUERY)
        assert_exact(answers, VECTORS, QUERY)
        assert share([key for key, _ in answers], TRUTH) >= 0.9
        assert ids(owner, QUERY) == [key for key, _ in answers]
        assert many(owner, [QUERY]) == [answers]
        assert ordered(planned(owner, "rows", [QUERY])) == [NAME]
    with connect(url) as owner:
        call = "select measured from mrl.recall('docs', 'embedding', sample => 4)"
        assert one(owner, call) == 4
    with connect(url) as owner:
        statement = one(owner, "select mrl.search_sql('docs', 'embedding')")
        assert len(run(owner, statement, ["vector"], [text(QUERY)])) == 10
        assert one(owner, "select mrl.drop_index('docs', 'embedding', 32)") == NAME
        assert one(owner, "select mrl.drop_index('docs', 'embedding')").endswith("hnsw")


def test_a_role_without_rights(conn: Conn, database: str) -> None:
    stock(conn, VECTORS)
    one(conn, "select mrl.create_search_function('near', 'docs', 'embedding')")
    before = conn.execute("select * from mrl.registry").fetchall()
    with connect(role(conn, database, "stranger")) as stranger:
        for call in (
            lambda: ids(stranger, QUERY),
            lambda: keys(stranger, QUERY),
            lambda: many(stranger, [QUERY]),
            lambda: ids(stranger, QUERY, exact=True),
            lambda: one(stranger, "select near(%s)", text(QUERY)),
            lambda: one(stranger, "select mrl.recall('docs', 'embedding')"),
            lambda: create(stranger, dims=16),
            lambda: one(stranger, "select mrl.drop_index('docs', 'embedding')"),
            lambda: stranger.execute("delete from mrl._registry"),
            lambda: one(
                stranger,
                "select mrl.register('docs', 'embedding', 'embedding_32_halfvec',"
                f" '{NAME}', 32, 'halfvec', 'cosine')",
            ),
        ):
            with refused(errors.InsufficientPrivilege, ""):
                call()
        conn.execute("grant select on docs to stranger")
        force_index(stranger)
        with scanning(stranger, NAME):
            assert share(ids(stranger, QUERY), TRUTH) >= 0.9
        with refused(errors.InsufficientPrivilege, ""):
            create(stranger, dims=16)
        with refused(errors.InsufficientPrivilege, ""):
            one(stranger, "select mrl.drop_index('docs', 'embedding')")
    assert conn.execute("select * from mrl.registry").fetchall() == before
    assert ordered(planned(conn, "rows", [QUERY])) == [NAME]


def test_row_level_security_holds_and_k_is_filled(conn: Conn, database: str) -> None:
    name = stock(conn, VECTORS)
    before = "select mrl.create_search_function('early', 'docs', 'embedding')"
    one(conn, before)
    statements = [one(conn, "select mrl.search_sql('docs', 'embedding')")]
    conn.execute(
        "alter table docs enable row level security, force row level security;"
        "create policy own on docs using ((n < 5) = (current_user = 'tenant_a'))"
    )
    one(conn, before.replace("early", "late"))
    statements.append(one(conn, "select mrl.search_sql('docs', 'embedding')"))
    for tenant in ("tenant_a", "tenant_b"):
        url = role(conn, database, tenant)
        conn.execute(
            sql.SQL("grant select on docs to {}").format(sql.Identifier(tenant))
        )
        mine = [
            key
            for key in nearest(VECTORS, QUERY, 600)
            if (key % 100 < 5) == (tenant == "tenant_a")
        ]
        with connect(url) as reader, notices(reader) as told:
            force_index(reader)
            with scanning(reader, name):
                answers = keys(reader, QUERY, k=15)
            assert_exact(answers, VECTORS, QUERY)
            found: list[list[Any]] = [
                [key for key, _ in answers],
                ids(reader, QUERY, k=15),
                [key for key, _ in many(reader, [QUERY, QUERY], k=15)[1]],
                ids(reader, QUERY, k=15, exact=True),
            ]
            for call in ("early", "late"):
                near = f"select id from {call}(%s, 15)".encode()
                rows = reader.execute(near, [text(QUERY)]).fetchall()
                found.append([row[0] for row in rows])
            for statement in statements:
                rows = run(reader, statement, ["vector"], [text(QUERY)])
                found.append([row[0] for row in rows])
            for each in found:
                assert set(each) <= set(mine)
                assert share(each, mine[: len(each)]) >= 0.9
            assert [len(each) for each in found] == [15, 15, 15, 15, 15, 15, 10, 10]
            got = ids(reader, QUERY, k=5, filter="id < 300")
            assert got == [key for key in mine if key < 300][:5]
            assert ordered(planned(reader, "rows", [QUERY])) == [name]
        assert told == []


def test_values_of_a_filter_are_values(conn: Conn) -> None:
    name = stock(conn, VECTORS)
    conn.execute("update docs set title = %s where id = 4", ["x'; drop table docs; --"])
    for value, count in (
        ("x'; drop table docs; --", 1),
        ("' or true --", 0),
        ("$1", 0),
        ("title 9') or (true", 0),
        ("%s %1$s {where}", 0),
    ):
        options: dict[str, Any] = {"filter": "title = $1", "args": [value], "k": 3}
        with scanning(conn, name):
            assert len(keys(conn, QUERY, **options)) == count
        assert len(many(conn, [QUERY], **options)[0]) == count
        assert ordered(planned(conn, "rows", [QUERY], **options)) == [name]
    sixteen = [str(i) for i in range(16)]
    filter = " or ".join(f"n = ${i}::int" for i in range(1, 17))
    found = ids(conn, QUERY, filter=filter, args=sixteen, k=50)
    truth = [key for key in nearest(VECTORS, QUERY, 600) if key % 100 < 16]
    assert share(found, truth[:50]) >= 0.9
    null = ids(conn, QUERY, filter="$1 is null and n < 100", args=[None])
    assert share(null, TRUTH) >= 0.9


def test_a_filter_brings_no_statement_of_its_own(conn: Conn) -> None:
    """What the planner is asked, and what is counted, ran all that the filter held."""
    stock(conn, VECTORS)
    # no rollback takes this back
    conn.execute("create sequence ran")
    no_condition = (errors.SyntaxError, errors.InvalidCursorDefinition)
    for closing, opening in ((")", "("), (")) from docs", "((")):
        filter = f"true{closing}; select nextval('ran'); select {opening}1"
        with pytest.raises(no_condition):
            ids(conn, QUERY, filter=filter, recall=0.9)
        with pytest.raises(no_condition):
            calibrate(conn, sample=2, filter=filter)
        with pytest.raises(InvalidFilter):
            INDEX.search(conn, QUERY, filter=filter, recall=0.9)
    assert not one(conn, "select is_called from ran")


@pytest.mark.parametrize("evil", ["x; drop table docs; --", "x') or ('1'='1", 'x"y'])
def test_names_do_not_break_out(conn: Conn, evil: str) -> None:
    stock(conn, VECTORS)
    before = one(conn, "select count(*) from docs")
    wide = one(
        conn,
        "select mrl.create_index('docs', 'embedding', 16,"
        " short_column => %s, index_name => %s)",
        evil,
        f"{evil} index",
    )
    assert wide == f"{evil} index"
    assert share(ids(conn, QUERY, index_name=wide), TRUTH) >= 0.6
    assert ordered(planned(conn, "rows", [QUERY], index_name=wide)) == [wide]
    for call in (
        "select mrl.search(null::docs, %s, '[1]')",
        "select mrl.create_index('docs', %s, 16)",
        "select mrl.create_index('docs', 'embedding', 16, kind => %s)",
        "select mrl.create_index('docs', 'embedding', 16, distance => %s)",
        "select mrl.search_sql('docs', 'embedding', kind => %s)",
        "select mrl.create_search_function(%s, 'docs', 'embedding')",
        "select mrl.create_search_function('f', 'docs', 'embedding', "
        " filter => 'n < $1', parameters => array[%s])",
    ):
        with pytest.raises(psycopg.errors.Error):
            conn.execute(call.encode(), [evil])
    assert one(conn, "select mrl.drop_index('docs', 'embedding', 16)") == wide
    assert one(conn, "select count(*) from docs") == before
