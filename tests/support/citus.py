"""A catalog like that of Citus, in a database without Citus.

A shard is a plain table, so the statements for shards also run on a plain table.
"""

from collections.abc import Iterator
from typing import Any

import pytest

from support.databases import Conn

CATALOG = """
create table pg_catalog.pg_dist_partition (
    logicalrelid regclass primary key,
    partmethod "char" not null,
    partkey text,
    colocationid int not null default 0,
    repmodel "char" not null default 's',
    autoconverted bool not null default false
);
create table pg_catalog.pg_dist_shard (
    logicalrelid regclass not null,
    shardid bigint primary key,
    shardstorage "char" not null default 't',
    shardminvalue text,
    shardmaxvalue text
);
grant select on pg_catalog.pg_dist_partition, pg_catalog.pg_dist_shard to public;
"""

KEY = (
    "{{VAR :varno 1 :varattno {number} :vartype 20 :vartypmod -1 :varcollid 0 "
    ":varlevelsup 0 :varnoold 1 :varoattno {number} :location -1}}"
)
"""How the catalog of Citus names a column: as the parser of PostgreSQL does."""


def make_catalog(conn: Conn) -> None:
    """Tables as Citus has them, without a row."""
    conn.execute("set allow_system_table_mods = on")
    conn.execute(CATALOG)
    conn.execute("reset allow_system_table_mods")


def distribute(
    conn: Conn, table: str, column: str | None = "id", shards: int = 8
) -> None:
    """Write into the catalog what `create_distributed_table` does.

    Without a column it is a table of one shard, such as a reference table.
    """
    gone = ("pg_dist_partition", "pg_dist_shard")
    for catalog in gone:
        conn.execute(
            f"delete from pg_catalog.{catalog} where logicalrelid = %s::regclass",
            [table],
        )
    number = conn.execute(
        "select attnum from pg_attribute where attrelid = %s::regclass"
        " and attname = %s",
        [table, column],
    ).fetchone()
    key = KEY.format(number=number[0]) if number else None
    conn.execute(
        "insert into pg_catalog.pg_dist_partition (logicalrelid, partmethod, partkey)"
        " values (%s::regclass, %s, %s)",
        [table, "h" if key else "n", key],
    )
    conn.execute(
        "insert into pg_catalog.pg_dist_shard (logicalrelid, shardid)"
        " select %s::regclass, 102008 + coalesce("
        "(select max(shardid) - 102007 from pg_catalog.pg_dist_shard), 0) + number"
        " from generate_series(0, %s) as number",
        [table, (shards if key else 1) - 1],
    )


def citus_fixture() -> Any:
    """A fixture: a connection to a database with the catalog of Citus."""

    @pytest.fixture
    def citus(conn: Conn) -> Iterator[Conn]:
        make_catalog(conn)
        # a session knows a setting once somebody has set it, or its library is loaded
        conn.execute("select '[1]'::vector <-> '[1]'")
        conn.execute("set citus.propagate_set_commands = 'none'")
        yield conn
        remove_catalog(conn)

    return citus


def remove_catalog(conn: Conn) -> None:
    """Undo `make_catalog`."""
    conn.execute("set allow_system_table_mods = on")
    conn.execute("drop table pg_catalog.pg_dist_partition, pg_catalog.pg_dist_shard")
    conn.execute("reset allow_system_table_mods")
