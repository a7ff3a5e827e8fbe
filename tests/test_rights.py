"""What one role tries on what is another's, in every way to be called that there is."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from calibrations import put
from door import one, stock, text
from helpers import Conn, connect, fresh_database, matryoshka, role
from psycopg import errors, sql

from mrl_pg.server import EmbeddedServer

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
    "register": (
        f"select mrl.register('public.docs', 'embedding', 'embedding_32_halfvec',"
        f" '{NAME}', 32, 'halfvec', 'cosine')"
    ),
    "calibrate": KEEP_CALIBRATION,
    "measure": (
        f"select mrl._keep_measurement(row('public.docs'::regclass, '{NAME}', now(), 1,"
        " '', 1, 1, 1, 1, 1, 0, 0, 0, 1)::mrl.measurements)"
    ),
    "claim": "insert into mrl._claims (table_id) values ('public.docs')",
    "claim for another": (
        "insert into mrl._claims (table_id, asked_by)"
        " values ('public.docs', 'rights_owner')"
    ),
    "delete": "delete from mrl._own_registry",
    "change": "update mrl._own_calibrations set recall = 1, low = 1",
    "add": (
        "insert into mrl._own_measurements select entry, index_name, now(), 1, '', 1,"
        " 1, 1, 1, 1, 1, 1, 1, 1 from mrl._registry"
    ),
    "take over": f"update mrl._own_registry set entry = {ENTRY}",
}
"""What a stranger wants of the owner's table."""

REFUSED = (errors.InsufficientPrivilege, errors.WithCheckOptionViolation)

KNOWN = (
    "select to_jsonb(array(select t from mrl._registry as t order by 1)),"
    " to_jsonb(array(select t from mrl._calibrations as t order by 1)),"
    " to_jsonb(array(select t from mrl._measurements as t order by 1)),"
    " to_jsonb(array(select t from mrl.query_sampling as t order by 1)),"
    " to_jsonb(array(select t from mrl.kept_queries as t order by 1)),"
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
def cluster(pg_server: EmbeddedServer, admin: Conn, template: str) -> Iterator[Cluster]:
    with fresh_database(pg_server, admin, template) as url, connect(url) as root:
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
