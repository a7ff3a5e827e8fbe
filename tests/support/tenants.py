"""A table of documents of many tenants, one of them large."""

from collections.abc import Iterable
from typing import Any

import numpy as np
from psycopg import sql

from support.databases import Conn
from support.tables import make_table
from support.vectors import Vectors, distances

LARGE = 1
"""A tenant with half of the rows."""

SMALL = 7
"""A tenant with about one row in a hundred."""

KEYS = {"int": "{}", "bigint": "{}", "text": "it's {}", "uuid": "{:032x}"}
"""How the number of a tenant is written as a key of a type."""


def tenant_of(row: int, rows: int) -> int:
    """The tenant of the row with this id: 1 for the first half, else 3 to 52."""
    return LARGE if row <= rows // 2 else 3 + row % 50


def tenants_table(
    conn: Conn, vectors: Vectors, *, key_type: str = "int", key: str = "tenant_id"
) -> None:
    """`docs` with a column of keys, with an ordinary index."""
    make_table(conn, vectors, analyze=False)
    column = sql.Identifier(key)
    doubled = sql.Identifier(key.replace("%", "%%"))
    conn.execute(
        sql.SQL("alter table docs add {} {}").format(column, sql.SQL(key_type))
    )
    rows = len(vectors)
    with conn.cursor() as cursor:
        cursor.executemany(
            sql.SQL("update docs set {} = %s where id = any (%s)").format(doubled),
            [
                (KEYS.get(key_type, "{}").format(number), ids)
                for number, ids in _members(rows).items()
            ],
        )
    conn.execute(sql.SQL("create index on docs ({})").format(column))
    conn.execute("vacuum analyze docs")


def _members(rows: int) -> dict[int, list[int]]:
    members: dict[int, list[int]] = {}
    for row in range(1, rows + 1):
        members.setdefault(tenant_of(row, rows), []).append(row)
    return members


def nearest_of(
    vectors: Vectors, query: Any, tenant: int, k: int = 10, ids: Iterable[int] = ()
) -> list[int]:
    """Exact answers among the rows of a tenant, and among `ids` if there are any."""
    mine = np.array(list(ids) or _members(len(vectors))[tenant])
    far = distances(vectors[mine - 1], query, "cosine")
    return [int(row) for row in mine[np.argsort(far, kind="stable")][:k]]


def carry_out(conn: Conn, *, drop_all: bool = False) -> list[str]:
    """Run what mrl.tenants_sql returns, and return it."""
    rows = conn.execute(
        "select mrl.tenants_sql('docs', 'embedding', %s)", [drop_all]
    ).fetchall()
    statements = [row[0] for row in rows]
    for statement in statements:
        conn.execute(statement)
    return statements


def set_tenants(conn: Conn, **options: Any) -> None:
    """Call mrl.set_tenants for `docs.embedding` and `tenant_id`, for large tenants."""
    named = sql.SQL(", ").join(
        sql.SQL("{} => {}").format(sql.Identifier(name), sql.Literal(value))
        for name, value in {"threshold": 400, **options}.items()
    )
    call = "select mrl.set_tenants('docs', 'embedding', 'tenant_id', {})"
    conn.execute(sql.SQL(call).format(named))
