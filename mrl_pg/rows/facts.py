"""What the server says about a table whose rows are written or read.

Facts are read once per connection and table. Each call first reads the table's stamp,
which takes a fraction of the time, and reads the facts again if it differs.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from weakref import WeakKeyDictionary

from psycopg import sql

from mrl_pg import source
from mrl_pg.catalog.facts import (
    check_pgvector,
    check_table,
    no_primary_key,
    no_table,
)
from mrl_pg.catalog.in_use import name_of
from mrl_pg.catalog.read import TABLES
from mrl_pg.catalog.recent import Recent
from mrl_pg.catalog.rotations import read_rotations
from mrl_pg.catalog.slots import name, statement
from mrl_pg.errors import (
    ColumnNotFound,
    NotAVectorColumn,
)
from mrl_pg.exchange import AnyConn, Exchange, cursors, look
from mrl_pg.layout import ColumnLayout, Searched
from mrl_pg.load.block import Block
from mrl_pg.load.by_key import UniqueKey
from mrl_pg.load.columns import ServerFacts, known_column
from mrl_pg.load.destination import Destination
from mrl_pg.load.matrix import length
from mrl_pg.load.pack import VECTOR_WIRE, Column
from mrl_pg.rotation import Rotation

ORIGIN = "the rows"
"""What errors call the input."""


@dataclass(frozen=True, slots=True)
class RowFacts:
    """A table, its columns and its primary key.

    `loose_key` is true if a collation holds different texts for equal keys. `stamp`
    changes with all the other facts of the table. `partitioned` tables may have parts,
    which are not among these facts.
    """

    searched: Searched
    schema: str
    table_id: int
    key: UniqueKey
    loose_key: bool
    mrl_installed: bool
    server: ServerFacts
    stamp: int
    has_rotations: bool = False
    partitioned: bool = False

    @property
    def where(self) -> str:
        """Schema and name of the table, for messages."""
        return f"{self.schema}.{self.searched.table}"

    @property
    def table(self) -> sql.Identifier:
        """The table, for a statement with parameters."""
        return name(self.schema, self.searched.table)

    @property
    def extension_schema(self) -> str:
        """Schema of pgvector."""
        schema: str = self.server.extension["extension_schema"]
        return schema

    @property
    def dims(self) -> int | None:
        """Length of the full vectors, if the column declares it."""
        dims: int | None = self.server.columns[self.searched.column]["modifier"]
        return dims

    def column(self, block: Block, column: str) -> Column:
        """How the values of a column of a block are sent."""
        row = self.server.columns[column]
        vectors = row["type"] in VECTOR_WIRE and row["modifier"] is None
        if vectors and length(block[column]) is None:
            # only NULLs, for which any length will do
            return Column(column, row["type"], 1)
        return known_column(self._destination(), block, self.server, row)

    def check_columns(self, columns: Sequence[str]) -> None:
        """Raise ColumnNotFound for a name that is no column of the table."""
        for column in columns:
            if column not in self.server.columns:
                raise ColumnNotFound(
                    f"column {column!r} does not exist in {self.where}; there are: "
                    f"{', '.join(self.server.columns)}"
                )

    def _destination(self) -> Destination:
        # the key has no part in this, because no table is made
        unused = "id" if self.searched.column != "id" else "key"
        names = (self.searched.table, self.schema, self.searched.column)
        return Destination(ORIGIN, *names, unused)


_known: WeakKeyDictionary[AnyConn, Recent[ColumnLayout, RowFacts]] = WeakKeyDictionary()


def known_row_facts(conn: AnyConn, searched: Searched) -> Exchange[RowFacts]:
    """Facts that are true now; raises as `read_row_facts`."""
    known = _known.setdefault(conn, Recent(TABLES))
    column = ColumnLayout(searched.table, searched.column, searched.schema)
    facts = known.get(column)
    if facts is not None:
        rows = yield from look(
            _row_stamp(facts.has_rotations), {"name": name_of(searched)}
        )
        if rows and rows[0]["stamp"] == facts.stamp:
            encoding, zone = cursors.encoding(conn), _zone(conn)
            server = replace(facts.server, encoding=encoding, time_zone=zone)
            return replace(facts, searched=searched, server=server)
    return known.put(column, (yield from read_row_facts(conn, searched)))


def _zone(conn: AnyConn) -> str:
    return conn.info.parameter_status("TimeZone") or "set"


def read_row_facts(conn: AnyConn, searched: Searched) -> Exchange[RowFacts]:
    """Facts from the server now, by one query, and one for the rotations.

    Raises TableNotFound, ColumnNotFound, NotAVectorColumn, NoPrimaryKey,
    PgvectorMissing and PgvectorTooOld.
    """
    names = {"schema": searched.schema, "table": searched.table}
    rows = yield from look(_row_facts(), names)
    where = ".".join(filter(None, (searched.schema, searched.table)))
    if not rows:
        raise no_table(where)
    first = rows[0]
    check_pgvector(first["pgvector_version"])
    check_table(where, first["relation_kind"])
    rotations: Mapping[str, Rotation] = {}
    stamp = first["stamp"]
    if first["has_rotations"]:
        rotations, rotation_stamp = yield from read_rotations(
            first["table_id"], first["extension_schema"]
        )
        stamp ^= rotation_stamp
    server = ServerFacts(
        extension=first,
        rows=rows,
        vector_ids={"vector": first["vector_id"], "halfvec": first["halfvec_id"]},
        encoding=cursors.encoding(conn),
        time_zone=_zone(conn),
        rotations=rotations,
    )
    if not first["key_names"]:
        raise no_primary_key(where, "rows")
    operators = (tuple(operator) for operator in first["key_operators"])
    facts = RowFacts(
        searched=searched,
        schema=first["schema"],
        table_id=first["table_id"],
        key=UniqueKey(tuple(first["key_names"]), tuple(operators)),
        loose_key=first["loose_key"],
        mrl_installed=first["mrl_installed"],
        server=server,
        stamp=stamp,
        has_rotations=first["has_rotations"],
        partitioned=first["relation_kind"] == "p",
    )
    facts.check_columns([searched.column])
    full = server.columns[searched.column]
    if full["type"] not in VECTOR_WIRE:
        raise NotAVectorColumn(
            f"column {f'{where}.{searched.column}'!r} is of type {full['declared']}: "
            "the full column must be vector(n) or halfvec(n)"
        )
    return facts


@cache
def _row_facts() -> bytes:
    return statement(
        "row_facts",
        columns_of=sql.SQL(source.statement("columns_of")),
        unique_keys=statement(
            "unique_keys",
            table_id=statement("table_of_facts"),
        ),
        pgvector=sql.SQL(source.statement("pgvector")),
        vector_types=sql.SQL(source.statement("vector_types")),
        stamp=statement("row_stamp", table=statement("table_of_facts")),
    ).as_bytes()


@cache
def _row_stamp(has_rotations: bool) -> bytes:
    table = statement("table_of_name")
    stamp = statement("row_stamp", table=table)
    if has_rotations:
        stamp = statement(
            "row_stamp_and_rotations",
            stamp=stamp,
            rotation_stamp=statement("rotation_stamp", table=table),
        )
    return stamp.as_bytes()
