"""What one role tries on what is another's, in every way to be called that there is."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from psycopg import errors, sql
from support.calibrations import put
from support.databases import Conn, Server, connect, role
from support.sql_calls import one, stock, text
from support.vectors import matryoshka

ROWS = matryoshka(60)
NAME = "docs_embedding_32_halfvec_cosine_hnsw"
POINT = (
    '[{"candidates": 10, "ef_search": 10, "recall": 1, "low": 1, "median_ms": 1,'
    ' "p95_ms": 1}]'
)
KEEP_CALIBRATION = (
    f"select mrl._keep_calibration('public.docs', '{NAME}', 10, '', '{POINT}', 1, 9, 9)"
)
ENTRY = "(select entry from mrl._registry limit 1)"
ATTACKS = {
    "unregister": f"select mrl.unregister('public.docs', '{NAME}')",
    "switch": "select mrl.switch_index('public.docs', 'embedding')",
    "switch column": (
        "select mrl.switch_column('public.docs', 'embedding', 'embedding', true)"
    ),
    "put in place": "update mrl._own_registry set in_place_of = 'embedding'",
    "choose": "update mrl._own_registry set chosen_at = now()",
    "register": (
        f"select mrl.register('public.docs', 'embedding', 'embedding_32_halfvec',"
        f" '{NAME}', 32, 'halfvec', 'cosine')"
    ),
    "calibrate": KEEP_CALIBRATION,
    "measure": (
        f"select mrl._keep_measurement(row('public.docs'::regclass, '{NAME}', now(), 1,"
        " '', 1, 1, 1, 1, 1, 1, 0, 0, 0, 1)::mrl.measurements)"
    ),
    "no sampling": "select mrl.sample_queries('public.docs', 'embedding', 0)",
    "forget": "select mrl.forget_queries('public.docs', 'embedding')",
    "erase": "update mrl._own_queries_1 set query = null, kept_on = null",
    "no distances": "select mrl.sample_distances('public.docs', 'embedding', 0)",
    "erase distances": "update mrl._own_queries_1 set distance = null, k = null",
    "sample": "update mrl._own_sampling set share = 0",
    "remove": f"insert into mrl._removals (entry, index_name) select {ENTRY}, '{NAME}'",
    "remove for another": (
        "insert into mrl._removals (entry, index_name, asked_by)"
        f" select {ENTRY}, '{NAME}', 'rights_owner'"
    ),
    "claim": "insert into mrl._claims (table_id) values ('public.docs')",
    "claim for another": (
        "insert into mrl._claims (table_id, asked_by)"
        " values ('public.docs', 'rights_owner')"
    ),
    "delete": "delete from mrl._own_registry",
    "lock": ("do 'begin lock table mrl._own_registry in access exclusive mode; end'"),
    "change": "update mrl._own_calibrations set recall = 1, low = 1",
    "add": (
        "insert into mrl._own_measurements select entry, index_name, now(), 1, '', 1,"
        " 1, 1, 1, 1, 1, 1, 1, 1, 1 from mrl._registry"
    ),
    "another model": "select mrl.set_model('public.docs', 'embedding', 'm')",
    "take over": f"update mrl._own_registry set entry = {ENTRY}",
}
"""What a stranger wants of the owner's table."""

REFUSED = (errors.InsufficientPrivilege, errors.WithCheckOptionViolation)

KNOWN = (
    "select to_jsonb(array(select t from mrl._registry as t order by 1)),"
    " to_jsonb(array(select t from mrl._calibrations as t order by 1)),"
    " to_jsonb(array(select t from mrl._measurements as t order by 1)),"
    " to_jsonb(array(select t from mrl._query_sampling as t order by 1)),"
    " to_jsonb(array(select t from mrl._column_models as t order by 1)),"
    " to_jsonb(array(select t from mrl.kept_queries as t order by 1)),"
    " to_jsonb(array(select t from mrl.kept_distances as t order by 1)),"
    " to_jsonb(array(select t from mrl._tables as t where t.table_id ="
    " 'docs'::regclass))"
)


@dataclass(frozen=True, slots=True)
class Cluster:
    """An owner of `docs`, a stranger who may make tables, and a superuser."""

    root: Conn
    owner: Conn
    stranger: Conn

    def known(self) -> Any:
        """All that is known of the owner's table."""
        return self.root.execute(KNOWN).fetchall()


@pytest.fixture(scope="module")
def cluster(pg_server: Server) -> Iterator[Cluster]:
    with pg_server.fresh() as url, connect(url) as root:
        urls = [role(root, url, f"rights_{name}") for name in ("owner", "stranger")]
        root.execute("grant create on schema public to rights_owner, rights_stranger")
        with connect(urls[0]) as owner, connect(urls[1]) as stranger:
            stock(owner, ROWS)
            put(root, 25, 0.9, 0.9, 1.0)
            owner.execute(
                "select mrl.recall('docs', 'embedding', k => 3, sample => 3,"
                " keep => true)"
            )
            owner.execute("select mrl.sample_queries('docs', 'embedding', 1, 5)")
            assert one(
                owner, "select mrl.keep_query('docs', 'embedding', %s)", text(ROWS[0])
            )
            owner.execute("select mrl.sample_distances('docs', 'embedding', 1, 5)")
            assert one(owner, "select mrl.keep_distance('docs', 'embedding', 10, 0.5)")
            stranger.execute("create table mine (id int)")
            stranger.execute("insert into mine values (1)")
            yield Cluster(root, owner, stranger)


def trap(conn: Conn, attack: str, *, definer: bool = False) -> None:
    """A function that attacks whoever's rights it runs with, and tells the table."""
    inner = sql.SQL(
        "create or replace function public.attack() returns text language plpgsql"
        " set search_path = public as {}"
    )
    body = (
        "begin execute {}; return 'done';"
        " exception when insufficient_privilege or with_check_option_violation"
        " then return 'refused'; end"
    )
    conn.execute(
        inner.format(
            sql.Literal(sql.SQL(body).format(sql.Literal(attack)).as_string(conn))
        )
    )
    if definer:
        conn.execute("alter function public.attack() security definer")
    # an immutable one that calls a volatile one may write
    conn.execute(
        "create or replace function public.trap(id int) returns int immutable"
        " language plpgsql set search_path = public as"
        " 'begin if attack() = ''done'' then return 1; end if; return 0; end'"
    )


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS)
def test_a_strangers_call_changes_nothing(cluster: Cluster, attack: str) -> None:
    before = cluster.known()
    stranger = cluster.stranger
    try:
        done = stranger.execute(attack.encode())
        # of what is his there is nothing
        assert done.rowcount == 0
    except REFUSED:
        pass
    # the superuser's session, but the stranger's role
    cluster.root.execute("set role rights_stranger")
    try:
        assert cluster.root.execute(attack.encode()).rowcount == 0
    except REFUSED:
        pass
    finally:
        cluster.root.execute("reset role")
    assert cluster.known() == before
    # by a function that the owner or a superuser calls
    trap(stranger, attack, definer=True)
    for victim in (cluster.owner, cluster.root):
        victim.execute("select public.attack()")
    assert cluster.known() == before
    # by what a superuser's maintenance evaluates
    trap(stranger, attack)
    stranger.execute("create index trapped on mine (trap(id))")
    for upkeep in ("analyze mine", "vacuum full analyze mine", "reindex table mine"):
        cluster.root.execute(upkeep.encode())
    stranger.execute("drop index trapped")
    assert cluster.known() == before


def test_a_definer_cannot_be_made_to_forget_who_it_is(cluster: Cluster) -> None:
    before = cluster.known()
    for game in (
        "reset role",
        "set role rights_owner",
        "set session authorization default",
    ):
        trap(
            cluster.stranger,
            f"do $$ begin {game}; {ATTACKS['unregister']}; end $$",
            definer=True,
        )
        for victim in (cluster.owner, cluster.root):
            try:
                victim.execute("select public.attack()")
            except errors.Error:
                pass
    assert cluster.known() == before


def test_an_owners_own_function_and_a_member_may(cluster: Cluster) -> None:
    root, stranger = cluster.root, cluster.stranger
    cluster.owner.execute(
        sql.SQL(
            "create function ours() returns void language plpgsql security definer"
            " set search_path = public as {}"
        ).format(
            sql.Literal(
                f"begin perform {ATTACKS['unregister'][7:]};"
                f" perform {ATTACKS['register'][7:]};"
                f" perform {KEEP_CALIBRATION[7:]}; end"
            )
        )
    )
    stranger.execute("select ours()")
    known = "select recall from mrl.calibrations"
    assert root.execute(known).fetchall() == [(1,)]
    root.execute("grant rights_owner to rights_stranger")
    try:
        stranger.execute("update mrl._own_calibrations set recall = 0.5")
        stranger.execute(ATTACKS["register"].encode())
        assert root.execute(known).fetchall() == [(0.5,)]
    finally:
        root.execute("revoke rights_owner from rights_stranger")
    with pytest.raises(
        errors.InsufficientPrivilege,
        match=r"role rights_stranger does not own table .*\n.*as role rights_owner",
    ):
        stranger.execute(ATTACKS["register"].encode())


def test_who_may_read_leaves_a_query_and_can_do_nothing_else(cluster: Cluster) -> None:
    root, owner, stranger = cluster.root, cluster.owner, cluster.stranger
    box = (
        "insert into mrl.query_inbox (table_id, full_column, query)"
        " values ('docs', 'embedding', %s)"
    )
    kept = "select query::text, kept_on from mrl.kept_queries"
    before = owner.execute(kept).fetchall()
    with pytest.raises(
        errors.InsufficientPrivilege, match=r"may not read (public\.)?docs\."
    ):
        stranger.execute(box, [text(ROWS[1])])
    owner.execute("grant select (embedding) on docs to rights_stranger")
    owner.execute("select mrl.sample_queries('docs', 'embedding', 0.02)")
    for attack in (
        # in the name of another, at another day, into a slot, or what is there
        "insert into mrl.query_inbox (table_id, full_column, query, asked_by)"
        " values ('docs', 'embedding', null, 'rights_owner')",
        "update mrl.query_inbox set query = null",
        "delete from mrl.query_inbox",
        "select query from mrl.query_inbox",
        "insert into mrl._own_queries_1 values (1, '2020-01-01', null)",
        "update mrl._own_queries_1 set slot = 1",
        "delete from mrl._own_queries_1",
        "insert into mrl._queries_1 values (1, '2020-01-01', null)",
        "select query from mrl._queries_1",
        "create trigger t after insert on mrl._queries_1"
        " for each row execute function suppress_redundant_updates_trigger()",
        "create rule r as on update to mrl._own_queries_1 do instead nothing",
        "create index i on mrl._queries_1 (trap(slot))",
        "truncate mrl._queries_1",
        "do 'begin lock mrl._own_queries_1 in access exclusive mode; end'",
        "do 'begin lock mrl.query_inbox in row exclusive mode; end'",
    ):
        # the second: there is nothing to be changed
        with pytest.raises(
            (errors.InsufficientPrivilege, errors.ObjectNotInPrerequisiteState)
        ):
            stranger.execute(attack.encode())
    for wrong in ([1, 2], [0] * 64):
        with pytest.raises(errors.DataException):
            stranger.execute(box, [text(wrong)])
    assert one(stranger, "select count(*) from mrl._own_queries_1") == 0
    assert one(stranger, "select count(*) from mrl.kept_queries") == 0
    stranger.execute("update mrl._own_queries_1 set query = null, kept_on = null")
    assert owner.execute(kept).fetchall() == before
    # a flood is drawn by the share, and by lots that nobody can foresee
    seeds = stranger.execute("select g / 1000.0 from generate_series(0, 999) as g")
    for (seed,) in seeds.fetchall():
        stranger.execute("select setseed(%s)", [seed])
        if one(stranger, "select random()") < 0.02:
            break
    drawn = 0
    for _ in range(100):
        stranger.execute("select setseed(%s)", [seed])
        drawn += stranger.execute(box, [text(ROWS[1])]).rowcount
    # 2 are expected
    assert drawn <= 15
    flood = box.replace("values (", "select ").replace("%s)", "%s from")
    flood += " generate_series(1, 1000)"
    # eight standard deviations around 20
    assert stranger.execute(flood, [text(ROWS[1])]).rowcount < 56
    # dated by the clock, in a transaction as old as may be
    owner.execute("select mrl.sample_queries('docs', 'embedding', 1)")
    assert stranger.execute(flood, [text(ROWS[1])]).rowcount == 1000
    today = one(root, "select (now() at time zone 'UTC')::date")
    days = owner.execute("select distinct kept_on from mrl.kept_queries").fetchall()
    assert days == [(today,)]
    owner.execute("revoke select (embedding) on docs from rights_stranger")


def test_nobody_keeps_a_room_by_building_on_it(cluster: Cluster) -> None:
    cluster.stranger.execute("create view on_it as select * from mrl._own_queries_1")
    cluster.stranger.execute("create table typed (kept mrl._own_queries_1)")
    rooms = "select relname from pg_class where relname ~ '^_queries_[0-9]+$'"
    assert cluster.root.execute(rooms).fetchall() == [("_queries_1",)]
    cluster.owner.execute("select mrl.sample_queries('docs', 'embedding', 0)")
    cluster.owner.execute("select mrl.sample_distances('docs', 'embedding', 0)")
    cluster.owner.execute("select mrl.forget_queries('docs', 'embedding')")
    assert cluster.root.execute(rooms).fetchall() == []
    assert one(cluster.root, "select to_regclass('on_it') is null") is True
    cluster.owner.execute("select mrl.sample_queries('docs', 'embedding', 1, 5)")


def test_owners_of_different_tables_never_wait_for_one_another(
    cluster: Cluster,
) -> None:
    owner, other = cluster.owner, cluster.stranger
    other.execute("set lock_timeout = '500ms'")
    other.execute("create table theirs (id int primary key, embedding vector(64))")
    other.execute(
        "insert into theirs select id, embedding from (values (1, %s)) as v"
        " (id, embedding)".replace("%s", f"'{text(ROWS[0])}'::vector")
    )
    owner.execute("create table gone (id int primary key, embedding vector(64))")
    owner.execute("select mrl.sample_queries('gone', 'embedding', 1, 5)")
    owner.execute("drop table gone")
    calls = (
        "select mrl.sample_queries('{}', 'embedding', 1, 5)",
        "select mrl.sample_queries('{}', 'embedding', 0.5, 9)",
        "select mrl.keep_query('{}', 'embedding', '{query}')",
        "select mrl.create_index('{}', 'embedding', 16)",
        "select mrl.calibrate('{}', 'embedding', k => 1, sample => 2, dims => 16)",
        "select mrl.recall('{}', 'embedding', k => 1, keep => true, dims => 16)",
        "select mrl.drop_index('{}', 'embedding', 16)",
        "select mrl.forget_queries('{}', 'embedding')",
        "select mrl.sample_queries('{}', 'embedding', 0)",
        "select mrl.sample_queries('{}', 'embedding', 1)",
    )
    query = text(ROWS[0])
    with owner.transaction():
        # sweeps what is gone, too, and holds it all until the end
        for call in calls:
            owner.execute(call.format("docs", query=query).encode())
        for call in calls:
            other.execute(call.format("theirs", query=query).encode())
    with other.transaction():
        other.execute("drop table theirs")
        other.execute("select mrl._sweep()")
        with owner.transaction():
            owner.execute("set local lock_timeout = '500ms'")
            for call in calls:
                owner.execute(call.format("docs", query=query).encode())
    other.execute("reset lock_timeout")
