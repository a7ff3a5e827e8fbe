"""Tables of vectors, with an index or without."""

import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from psycopg import sql

from mrl_pg import MatryoshkaIndex
from support.databases import Conn, Server, connect
from support.vectors import Vectors, matryoshka


def make_table(
    conn: Conn,
    vectors: Vectors,
    *,
    table: str = "docs",
    schema: str = "public",
    full_type: str = "vector",
    analyze: bool = True,
) -> None:
    """A table of `id` (1 …), `n` (id mod 100), `title` and `embedding`."""
    name = sql.Identifier(schema, table)
    create = "create table {} (id bigint primary key, n int, title text, embedding {})"
    conn.execute(
        sql.SQL(create).format(name, sql.SQL(f"{full_type}({vectors.shape[1]})"))
    )
    append(conn, vectors, name, full_type=full_type)
    if analyze:
        conn.execute(sql.SQL("analyze {}").format(name))


def make_partitioned(conn: Conn) -> None:
    """A table `docs` of the same columns, without rows, in two partitions."""
    conn.execute(
        "create table docs (id int primary key, n int, title text,"
        " embedding vector(64)) partition by hash (id);"
        "create table docs_0 partition of docs for values with"
        " (modulus 2, remainder 0);"
        "create table docs_1 partition of docs for values with"
        " (modulus 2, remainder 1)"
    )


def append(
    conn: Conn,
    vectors: Vectors,
    name: sql.Composable,
    *,
    first: int = 1,
    full_type: str = "vector",
) -> None:
    """Add rows to a table with the columns of `make_table`.

    As bytes: to print and read the numbers of 2,000 rows takes 0.1 s of CPU.
    """
    command = "copy {} (id, n, title, embedding) from stdin (format binary)"
    values = vectors.astype({"vector": ">f4", "halfvec": ">f2"}[full_type])
    dims = values.shape[1]
    size = 4 + dims * values.itemsize
    asked = sql.SQL("select id from {} limit 0").format(name)
    columns = conn.execute(asked).description
    assert columns is not None
    id_size = columns[0].internal_size
    assert id_size is not None
    with conn.cursor() as cursor, cursor.copy(sql.SQL(command).format(name)) as rows:
        rows.write(b"PGCOPY\n\xff\r\n\0" + bytes(8))
        for i, vector in enumerate(values, first):
            title = f"title {i}".encode()
            start = struct.pack(">hi", 4, id_size) + i.to_bytes(id_size, "big")
            middle = struct.pack(">iii", 4, i % 100, len(title)) + title
            vector_start = struct.pack(">ihh", size, dims, 0)
            rows.write(start + middle + vector_start + vector.tobytes())
        rows.write(struct.pack(">h", -1))


@dataclass(frozen=True, slots=True)
class Docs:
    """A table `docs` of synthetic vectors, with an index of halfvec(32)."""

    url: str
    conn: Conn
    vectors: Vectors
    index: MatryoshkaIndex


@contextmanager
def fresh_docs(server: Server, rows: int = 2000) -> Iterator[Docs]:
    """A database with `docs`, for a module whose tests change nothing in it."""
    vectors = matryoshka(rows)
    index = MatryoshkaIndex("docs", "embedding", dims=32)

    def build(url: str) -> None:
        with connect(url) as conn:
            make_table(conn, vectors, analyze=False)
            index.create(conn)
            conn.execute("analyze docs")

    with server.copy_of(f"docs_{rows}", build) as url, connect(url) as conn:
        yield Docs(url, conn, vectors, index)


def docs_fixture(
    rows: int = 2000, *, prepare: Callable[[Conn], object] | None = None
) -> Any:
    """A fixture: `docs` in a fresh database, which all tests of a module only read."""

    @pytest.fixture(scope="module")
    def docs(pg_server: Server) -> Iterator[Docs]:
        with fresh_docs(pg_server, rows) as docs:
            if prepare is not None:
                prepare(docs.conn)
            yield docs

    return docs
