"""What choosing asks of a table: rows, bytes, storage, and the server's memory."""

from dataclasses import dataclass
from typing import Any

from psycopg import sql

from mrl_pg import source
from mrl_pg.catalog import slots
from mrl_pg.catalog.facts import Facts
from mrl_pg.catalog.read import forget_facts, known_facts
from mrl_pg.errors import InvalidSetting
from mrl_pg.exchange import Conn, cursors, run
from mrl_pg.layout import IndexLayout

FEWEST_ROWS = 100
STORAGES = {"p": "plain", "e": "external", "m": "main", "x": "extended"}


@dataclass(frozen=True, slots=True)
class TableFacts:
    """A table as choosing sees it; sizes in bytes.

    `name` is as SQL writes it, with its schema. `rows`: the server's estimate,
    or a count if it has none. `row_width`: mean bytes of a row in the heap, 18 of a
    value that is in TOAST. `cache_bytes` and `build_bytes` are `effective_cache_size`
    and `maintenance_work_mem`; `server` and `pgvector` are versions.
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

    @property
    def full_bytes(self) -> int:
        """Bytes of one full vector."""
        return 8 + self.full_dims * (4 if self.full_type == "vector" else 2)

    @property
    def in_toast(self) -> bool:
        """Whether full vectors are kept outside the row, where reading costs more."""
        held = self.rows * self.full_bytes
        # the width is of the last analyze, the bytes of now
        return self.row_width < self.full_bytes and self.toast_bytes > held / 2


def read(conn: Conn, layout: IndexLayout) -> tuple[Facts, TableFacts]:
    """Facts of the layout's table, for searching and for choosing.

    Raises what `known_facts` raises, and InvalidSetting for a table so small that
    nothing is to be chosen.
    """
    forget_facts(conn, layout)
    facts = run(conn, known_facts(conn, layout))
    query = source.statement("tune_table").encode()
    names = {"table_id": facts.table_id, "column": layout.column}
    with cursors.dicts(conn) as cursor:
        found: dict[str, Any] = cursor.execute(query, names).fetchone() or {}
    rows = found["estimated_rows"] or 0
    if not found["analysed"] or rows < FEWEST_ROWS:
        count = slots.statement("count_rows", table=slots.table_of(facts))
        rows = int(cursors.tuples(conn).execute(count).fetchall()[0][0])
    if rows < FEWEST_ROWS:
        raise InvalidSetting(
            f"{facts.schema}.{facts.table} has {rows} rows: below {FEWEST_ROWS} an "
            "exact search needs no index, and there is nothing to choose"
        )
    heap = found["heap_bytes"] or 0
    table = TableFacts(
        name=found["name"],
        full_type=facts.full_type,
        full_dims=facts.full_dims,
        rows=rows,
        heap_bytes=heap,
        toast_bytes=found["toast_bytes"] or 0,
        row_width=found["row_width"] or min(heap // rows, 8000),
        storage=STORAGES[found["storage"]],
        cache_bytes=found["cache_bytes"],
        build_bytes=found["build_bytes"],
        may_create=found["may_create"],
        server=found["server"],
        pgvector=found["pgvector"],
        read_at=found["read_at"],
        partitioned=found["partitioned"],
    )
    return facts, table


def full_type(facts: Facts) -> sql.Composed:
    """The full column's type: `"public"."vector"(1536)`."""
    return sql.SQL("{}({})").format(
        sql.Identifier(facts.extension_schema, facts.full_type),
        sql.Literal(facts.full_dims),
    )
