"""`mrl-pg tenants`, and `mrl-pg search --tenant`."""

import json
from pathlib import Path
from typing import Any

from support.command import mrl_pg
from support.databases import Conn
from support.tenants import LARGE, SMALL, nearest_of, tenants_table
from support.vectors import matryoshka

VECTORS = matryoshka(600)
QUERY = VECTORS[0] * 0.6 + VECTORS[400] * 0.4


def test_tenants_in_a_shell(conn: Conn, database: str, tmp_path: Path) -> None:
    tenants_table(conn, VECTORS)
    place = ("docs", "embedding", "--dsn", database)
    query = tmp_path / "query.json"
    query.write_text(json.dumps(QUERY.tolist()))

    def answer(tenant: int, *options: Any) -> Any:
        given = ("--query", query, "--tenant", tenant, "--candidates", 300, *options)
        return mrl_pg("search", *place, *given)

    early = answer(LARGE)
    assert early.returncode == 3
    assert "belong to no tenants" in early.stderr
    options = ("--threshold", 200, "--dims", 32, "--kind", "halfvec")
    done = mrl_pg(
        "tenants", "set", "docs", "embedding", "tenant_id", *options, *place[2:]
    )
    assert done.returncode == 0, done.stderr
    assert "1 tenants get an index: mrl-pg tenants run docs embedding" in done.stderr
    would = mrl_pg("tenants", "run", *place, "--dry-run")
    assert "would build docs_embedding_tenant_" in would.stdout
    assert "\nwhere ((tenant_id operator(pg_catalog.=) '1'" in would.stdout
    assert "no tenant has an index" in mrl_pg("tenants", "show", *place).stdout
    report = json.loads(mrl_pg("tenants", "run", *place, "--measure", "--json").stdout)
    assert report["changed"]
    (index,) = report["indexes"]
    assert (index["tenant"], index["state"], index["rows"]) == ("1", "valid", 300)
    assert index["recall"] > 0.7
    assert "nothing to do" in mrl_pg("tenants", "run", *place).stdout
    shown = mrl_pg("tenants", "show", *place).stdout.splitlines()
    assert shown[1].split("\t")[:4] == ["1", index["index_name"], "valid", "300"]
    for tenant in (LARGE, SMALL):
        found = json.loads(answer(tenant, "--json").stdout)
        keys = [hit["key"] for hit in found["hits"]]
        assert keys == nearest_of(VECTORS, QUERY, tenant)
        own = tenant == LARGE
        assert found["scan"] == "exact" or own
    refused = answer(LARGE, "--dims", 32)
    assert refused.returncode == 2
    assert "--dims and --tenant exclude each other" in refused.stderr
    dropped = mrl_pg("tenants", "drop", *place)
    assert "0 tenants have an index" in dropped.stdout
