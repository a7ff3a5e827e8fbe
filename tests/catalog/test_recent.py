"""What is remembered of connections and statements stays bounded."""

import pytest
from support.databases import Conn
from support.tables import make_table
from support.vectors import matryoshka
from support.versions import one_version

from mrl_pg import MatryoshkaIndex
from mrl_pg.calibration import real_queries
from mrl_pg.catalog import read
from mrl_pg.catalog.recent import Recent
from mrl_pg.search import promised
from mrl_pg.search import render as searches


def test_the_least_used_value_goes() -> None:
    recent = Recent[str, int](2)
    assert [recent.put(key, place) for place, key in enumerate("ab")] == [0, 1]
    assert recent.get("a") == 0
    recent.put("c", 2)
    assert [recent.get(key) for key in "abc"] == [0, None, 2]
    recent.put("a", 3)
    recent.put("d", 4)
    assert [recent.get(key) for key in "acd"] == [3, None, 4]
    recent.drop(lambda key: key == "a")
    assert [recent.get(key) for key in "ad"] == [None, 4]
    assert len(recent) == 1


@one_version
def test_caches_of_a_connection_are_bounded(
    conn: Conn, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A table a tenant filled the memory of connections that never end."""
    for owner, most in (
        (read, "TABLES"),
        (promised, "PROMISES"),
        (real_queries, "LAYOUTS"),
    ):
        monkeypatch.setattr(owner, most, 3)
    vectors = matryoshka(50)
    for table in range(5):
        make_table(conn, vectors, table=f"docs_{table}")
        index = MatryoshkaIndex(f"docs_{table}", "embedding", dims=8)
        index.create(conn)
        for k in (1, 2):
            assert index.search(conn, vectors[0], k=k, recall=0.5).keys[0] == 1
        index.keep_query(conn, vectors[0])
    assert len(read._known[conn]) == 3
    assert len(promised._known[conn]) == 3
    assert len(real_queries._shares[conn]) == 3


@one_version
def test_a_long_filter_is_not_remembered(conn: Conn) -> None:
    make_table(conn, matryoshka(50))
    index = MatryoshkaIndex("docs", "embedding", dims=8)
    index.create(conn)
    before = searches._statements.cache_info().currsize
    for first in range(3):
        keys = ", ".join(str(key) for key in range(first, first + 1000))
        index.search(conn, matryoshka(1)[0], filter=f"id in ({keys})")
    assert searches._statements.cache_info().currsize == before
