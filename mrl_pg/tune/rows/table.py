"""Facts of a table for tuning: rows, bytes, storage, and the server's memory."""

from dataclasses import dataclass, replace
from typing import Any

from psycopg import sql

from mrl_pg import source
from mrl_pg.catalog import slots
from mrl_pg.catalog.distribution import NOT_MEASURED, refuse_spread
from mrl_pg.catalog.facts import Facts
from mrl_pg.catalog.pages import MOST_PAGES, page_ranges
from mrl_pg.catalog.read import forget_facts, known_facts
from mrl_pg.errors import InvalidSetting
from mrl_pg.exchange import Conn, cursors, run
from mrl_pg.layout import IndexLayout

FEWEST_ROWS = 100
STORAGES = {"p": "plain", "e": "external", "m": "main", "x": "extended"}


@dataclass(frozen=True, slots=True)
class TableFacts:
    """The facts of a table that tuning needs; sizes in bytes.

    `name` is the name in SQL, with its schema. `rows` is the server's estimate, or a
    count if it has none. `row_width` is the mean width of a row in the heap, where a
    value in TOAST counts 18 bytes. `cache_bytes` and `build_bytes` are
    `effective_cache_size` and `maintenance_work_mem`. `memory_bytes` is the memory that
    the caller says the table will have, if any. `server` and `pgvector` are
    versions.
    """

    name: str
    full_type: str
    full_dims: int
    rows: int
    heap_bytes: int
    toast_bytes: int
    row_width: int
    storage: str
    cache_bytes: int
    build_bytes: int
    may_create: bool
    server: str = ""
    pgvector: str = ""
    read_at: str = ""
    partitioned: bool = False
    memory_bytes: int | None = None

    @property
    def bytes(self) -> int:
        """Bytes of the table and its TOAST."""
        return self.heap_bytes + self.toast_bytes

    @property
    def room(self) -> int:
        """The memory for the table and its indexes, by the caller or the server."""
        return self.cache_bytes if self.memory_bytes is None else self.memory_bytes

    @property
    def room_from(self) -> str:
        """Where `room` comes from."""
        return "effective_cache_size" if self.memory_bytes is None else "--memory"

    @property
    def full_bytes(self) -> int:
        """Bytes of one full vector."""
        return 8 + self.full_dims * (4 if self.full_type == "vector" else 2)

    @property
    def in_toast(self) -> bool:
        """Whether most full vectors are outside the row, where reading costs more."""
        held = self.rows * self.full_bytes
        # the width is from the last analyze, but the bytes are current: check both
        return self.row_width < self.full_bytes and self.toast_bytes > held / 2


def read(
    conn: Conn, layout: IndexLayout, memory: int | None = None
) -> tuple[Facts, TableFacts]:
    """The facts of the layout's table, for searching and for tuning.

    Raises what `known_facts` raises, SpreadTable, and InvalidSetting for a table of
    fewer than FEWEST_ROWS rows.
    """
    forget_facts(conn, layout)
    facts = run(conn, known_facts(conn, layout))
    refuse_spread(facts.where, facts.distribution, NOT_MEASURED)
    query = source.statement("tune_table").encode()
    names = {"table_id": facts.table_id, "column": layout.column}
    with cursors.dicts(conn) as cursor:
        row: dict[str, Any] = cursor.execute(query, names).fetchone() or {}
    rows = row["estimated_rows"] or 0
    if not row["analysed"] or rows < FEWEST_ROWS:
        rows = _counted(conn, facts)
    if rows < FEWEST_ROWS:
        raise InvalidSetting(
            f"{facts.schema}.{facts.table} has {rows} rows. A table of fewer than "
            f"{FEWEST_ROWS} rows needs no index, because an exact search is fast"
        )
    heap = row["heap_bytes"] or 0
    table = TableFacts(
        name=row["name"],
        full_type=facts.full_type,
        full_dims=facts.full_dims,
        rows=rows,
        heap_bytes=heap,
        toast_bytes=row["toast_bytes"] or 0,
        row_width=row["row_width"] or min(heap // rows, 8000),
        storage=STORAGES[row["storage"]],
        cache_bytes=row["cache_bytes"],
        build_bytes=row["build_bytes"],
        may_create=row["may_create"],
        server=row["server"],
        pgvector=row["pgvector"],
        read_at=row["read_at"],
        partitioned=row["partitioned"],
        memory_bytes=memory,
    )
    return facts, table


def _counted(conn: Conn, facts: Facts) -> int:
    rows = 0
    # nothing comes, so all ranges are as long as a range may be
    for pages in replace(run(conn, page_ranges(facts, 0)), pages=MOST_PAGES):
        count = slots.statement(
            "count_rows", table=slots.table_of(facts), **pages.slots()
        )
        rows += int(cursors.tuples(conn).execute(count).fetchall()[0][0])
    return rows


def full_type(facts: Facts) -> sql.Composed:
    """The type of the full column, such as `"public"."vector"(1536)`."""
    return sql.SQL("{}({})").format(
        sql.Identifier(facts.extension_schema, facts.full_type),
        sql.Literal(facts.full_dims),
    )
