"""Tables of all kinds that the fuzzer searches, and the exact answers of each."""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import numpy as np
from numpy.typing import NDArray
from psycopg import sql

from mrl_pg import MatryoshkaIndex, NotUnitLengthWarning, install
from mrl_pg.kinds import Distance, Keep
from support.databases import Conn
from support.vectors import distances

DIMS = 8
MARKER = "marker"
"""A table that only an injected statement would write."""

READER = "hostile_reader"
TENANT = "app.tenant"


@dataclass(frozen=True, slots=True)
class Row:
    """A row; filters read `n`, `tenant` and `title`."""

    key: Any
    n: int
    tenant: int
    title: str
    vector: NDArray[np.float64] | None


@dataclass(frozen=True, slots=True)
class Table:
    """A table, its rows and the short columns that it has.

    `names` maps the words id, n, tenant, title and embedding to columns. `keys` are the
    columns of the primary key. `bad` says why the table cannot have an index.
    """

    name: str
    schema: str = "public"
    keys: tuple[str, ...] = ("id",)
    key_type: str = "bigint"
    column: str = "embedding"
    n: str = "n"
    full_type: str = "vector"
    layouts: tuple[MatryoshkaIndex, ...] = ()
    rows: Sequence[Row] = ()
    secured: bool = False
    bad: bool = False
    dims: int = DIMS

    def quoted(self) -> str:
        """Its name in SQL, with its schema."""
        return sql.Identifier(self.schema, self.name).as_string()

    def stored(self) -> tuple[list[Row], NDArray[np.float64]]:
        """Rows that have a vector, and the vectors as the server stores them."""
        rows = [row for row in self.rows if row.vector is not None]
        kept = np.array([row.vector for row in rows]).reshape(-1, self.dims)
        single = np.float16 if self.full_type == "halfvec" else np.float32
        return rows, kept.astype(single).astype(np.float64)

    def exact(
        self,
        query: NDArray[np.float64],
        distance: Distance,
        passes: Callable[[Row], bool] = lambda _: True,
    ) -> list[tuple[Any, float]]:
        """Keys and distances of all rows with a vector: nearest first, ties by key."""
        rows, vectors = self.stored()
        far = distances(vectors.astype(np.float32), query, distance)
        found = [
            (row.key, float(d))
            for row, d in zip(rows, far, strict=True)
            if np.isfinite(d) and passes(row)
        ]
        return sorted(found, key=lambda pair: (pair[1], pair[0]))


def vectors(count: int, seed: int = 1, dims: int = DIMS) -> NDArray[np.float64]:
    """Vectors of many lengths, without special values."""
    random = np.random.default_rng(seed)
    return random.standard_normal((count, dims)) * np.arange(1, dims + 1) ** -0.5


def rows(
    made: NDArray[np.float64],
    key: Callable[[int], Any] = lambda place: place,
    missing: Callable[[int], bool] = lambda place: False,
) -> list[Row]:
    """Rows 1, 2 … of these vectors."""
    return [
        Row(
            key(place),
            place % 10,
            place % 3,
            f"title {place}",
            None if missing(place) else vector,
        )
        for place, vector in enumerate(made, 1)
    ]


def layouts(
    table: str,
    *kinds: tuple[str, int, str],
    column: str = "embedding",
    schema: str = "",
    keep: Keep = "generated",
) -> tuple[MatryoshkaIndex, ...]:
    """Indexes of these kinds, dims and distances, on one table.

    Only the first has a column, because a second column would rebuild the first index.
    """
    options: list[dict[str, Any]] = [
        {
            "kind": kind,
            "dims": dims,
            "distance": distance,
            "keep": "expression" if place else keep,
        }
        for place, (kind, dims, distance) in enumerate(kinds)
    ]
    return tuple(
        MatryoshkaIndex(table, column, schema=schema, **each) for each in options
    )


HALVES, BITS = ("halfvec", 4, "cosine"), ("bit", 8, "cosine")
ODD = ('Sch "ema" %s', """My "docs" 5%% :a {b} $1""", "it's :an %s {e}\\", 'n "%(n)s')


def tables() -> dict[str, Table]:
    """All tables of a database of the fuzzer, by a short name."""
    usual = vectors(80)
    ties = np.repeat(vectors(4, seed=3), 25, axis=0)
    special = vectors(60, seed=4)
    special[:5] = 0
    special[10:14] = special[9]
    text_keys = [(place % 7, f"k{place:03}") for place in range(1, 61)]
    return {
        "docs": Table(
            "docs",
            layouts=layouts("docs", HALVES, BITS, ("vector", 4, "l2")),
            rows=rows(usual),
        ),
        "inner": Table(
            "inner", layouts=layouts("inner", ("halfvec", 8, "ip")), rows=rows(usual)
        ),
        "empty": Table("empty", layouts=layouts("empty", HALVES, BITS)),
        "nulls": Table(
            "nulls",
            layouts=layouts("nulls", HALVES, ("halfvec", 8, "l2")),
            rows=rows(special, missing=lambda place: place > 20),
        ),
        "few": Table(
            "few",
            layouts=layouts("few", HALVES),
            rows=rows(vectors(300, seed=5), missing=lambda place: place > 3),
        ),
        "ties": Table("ties", layouts=layouts("ties", HALVES, BITS), rows=rows(ties)),
        "parts": Table(
            "parts",
            keys=("id", "n"),
            key_type="jsonb",
            layouts=layouts("parts", HALVES),
            rows=rows(usual, key=lambda place: (place, place % 10)),
        ),
        "family": Table("family", layouts=layouts("family", HALVES), rows=rows(usual)),
        "secured": Table(
            "secured",
            layouts=layouts("secured", HALVES),
            rows=rows(usual),
            secured=True,
        ),
        "odd": Table(
            ODD[1],
            schema=ODD[0],
            column=ODD[2],
            n=ODD[3],
            layouts=layouts(ODD[1], HALVES, BITS, column=ODD[2], schema=ODD[0]),
            rows=rows(usual),
        ),
        "pairs": Table(
            "pairs",
            keys=("a", "b"),
            key_type="jsonb",
            layouts=layouts("pairs", HALVES, ("vector", 8, "l2")),
            rows=rows(vectors(60, seed=6), key=lambda place: text_keys[place - 1]),
        ),
        "uuids": Table(
            "uuids",
            key_type="uuid",
            layouts=layouts("uuids", HALVES),
            rows=rows(usual, key=lambda place: UUID(int=place * 7919 % 65537)),
        ),
        "halves": Table(
            "halves",
            full_type="halfvec",
            layouts=layouts("halves", HALVES, ("halfvec", 8, "l2")),
            rows=rows(usual),
        ),
        "kept": Table(
            "kept", layouts=layouts("kept", HALVES, keep="trigger"), rows=rows(usual)
        ),
        "plain": Table("plain", rows=rows(usual)),
        "view": Table("view", bad=True),
        "keyless": Table("keyless", bad=True),
        "loose": Table("loose", bad=True),
        "numbers": Table("numbers", bad=True),
    }


SECOND = "second"
"""The column of another model in MODELS, with the same vectors."""

MODELS = Table("models", rows=rows(vectors(80)))
"""A table with two full columns, each with an index; not among `tables`."""


@dataclass(frozen=True, slots=True)
class World:
    """A database for inputs: its name, its tables, and what is installed.

    `extension` is pgvector's schema; `installed` whether the schema `mrl` is.
    """

    name: str
    encoding: str = "UTF8"
    extension: str | None = "public"
    installed: bool = True
    tables: dict[str, Table] = field(default_factory=tables)


def some() -> dict[str, Table]:
    """A few of the tables, and the tables that cannot be searched."""
    words = ("docs", "nulls", "odd", "pairs")
    return {word: t for word, t in tables().items() if t.bad or word in words}


WORLDS = {
    world.name: world
    for world in (
        World("usual"),
        World("elsewhere", extension="Ext ", tables=some()),
        World("ascii", encoding="SQL_ASCII", tables=some()),
        World("uninstalled", installed=False, tables=some()),
        World("bare", extension=None, installed=False, tables=some()),
    )
}


def build(conn: Conn, world: World) -> None:
    """Create all objects of a world in its empty database."""
    conn.execute(f"create table {MARKER} (said text)".encode())
    conn.execute(f"grant insert on {MARKER} to public".encode())
    if world.extension is None:
        conn.execute("create table docs (id bigint primary key, embedding float4[])")
        return
    space = sql.Identifier(world.extension)
    conn.execute(sql.SQL("create schema if not exists {}").format(space))
    conn.execute(sql.SQL("create extension vector schema {}").format(space))
    conn.execute(sql.SQL("set search_path = public, {}").format(space))
    if world.installed:
        install(conn)
    for table in world.tables.values():
        if not table.bad:
            _make(conn, table)
            for layout in table.layouts if world.installed else ():
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore", NotUnitLengthWarning)
                    layout.create(conn)
    for statement in BAD:
        conn.execute(statement)
    if world.installed:
        _make_models(conn)
    conn.execute("analyze")


BAD = (
    b"create view view as select id, embedding from docs",
    b"create table keyless (id bigint, n int, tenant int, title text,"
    b" embedding vector(8))",
    b"create table loose (id bigint primary key, n int, tenant int, title text,"
    b" embedding vector)",
    b"create table numbers (id bigint primary key, n int, tenant int, title text,"
    b" embedding float4[])",
)


def _make(conn: Conn, table: Table) -> None:
    ident = sql.Identifier
    full = sql.SQL("{} {}({})").format(
        ident(table.column), sql.SQL(table.full_type), sql.SQL(str(table.dims))
    )
    pair = table.keys == ("a", "b")
    keys = sql.SQL('a int, b text collate "C"' if pair else f"id {_key(table)}")
    columns = sql.SQL("{}, {} int, tenant int, title text, {}").format(
        keys, ident(table.n), full
    )
    name = ident(table.schema, table.name)
    conn.execute(sql.SQL("create schema if not exists {}").format(ident(table.schema)))
    by = sql.SQL(" partition by range (n)" if table.name == "parts" else "")
    conn.execute(
        sql.SQL("create table {} ({}, primary key ({})){}").format(
            name, columns, sql.SQL(", ").join(map(ident, table.keys)), by
        )
    )
    if table.name == "parts":
        for low, high in ((0, 3), (3, 7), (7, 100)):
            conn.execute(
                f"create table parts_{low} partition of parts"
                f" for values from ({low}) to ({high})".encode()
            )
    _fill(conn, table, name)
    if table.name == "family":
        # half of the rows are in a child table
        conn.execute("create table child (extra int) inherits (family)")
        conn.execute("insert into child select * from family where id > 40")
        conn.execute("delete from only family where id > 40")
    if table.secured:
        conn.execute("alter table secured enable row level security")
        conn.execute(
            f"create policy own on secured using"
            f" (tenant = current_setting('{TENANT}', true)::int)".encode()
        )
    conn.execute(sql.SQL("grant select on {} to public").format(name))
    conn.execute(
        sql.SQL("grant usage on schema {} to public").format(ident(table.schema))
    )


def _make_models(conn: Conn) -> None:
    _make(conn, MODELS)
    add = f"alter table {MODELS.name} add {SECOND} vector({DIMS})"
    conn.execute(add.encode())
    conn.execute(f"update {MODELS.name} set {SECOND} = {MODELS.column}".encode())
    for column in (MODELS.column, SECOND):
        index = MatryoshkaIndex(MODELS.name, column, dims=4, keep="expression")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NotUnitLengthWarning)
            index.create(conn)


def _key(table: Table) -> str:
    return "bigint" if table.key_type == "jsonb" else table.key_type


def _fill(conn: Conn, table: Table, name: sql.Identifier) -> None:
    columns = (*table.keys, table.n, "tenant", "title", table.column)
    into = list(dict.fromkeys(columns))
    copy = sql.SQL("copy {} ({}) from stdin").format(
        name, sql.SQL(", ").join(map(sql.Identifier, into))
    )
    with conn.cursor() as cursor, cursor.copy(copy) as to:
        for row in table.rows:
            keys = row.key if isinstance(row.key, tuple) else (row.key,)
            vector = None if row.vector is None else str(row.vector.tolist())
            values = (*keys, row.n, row.tenant, row.title, vector)
            named = dict(zip(columns, values, strict=True))
            to.write_row([named[column] for column in into])
