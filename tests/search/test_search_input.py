"""Bad input: a typed error that names value, rule and next step; nothing changed."""

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import numpy as np
import psycopg
import pytest
from psycopg import sql
from support.databases import Conn, connect
from support.tables import Docs, docs_fixture, make_table
from support.vectors import matryoshka, nearest

from mrl_pg import MatryoshkaIndex, MrlError
from mrl_pg.errors import (
    ColumnNotFound,
    InputError,
    InvalidFilter,
    InvalidSetting,
    InvalidVector,
)

docs = docs_fixture(500)


def refuse(
    docs: Docs,
    error: type[MrlError],
    words: tuple[str, ...],
    query: Any = None,
    /,
    **arguments: Any,
) -> None:
    """Every search says all the words, and the connection is as it was."""
    good = docs.vectors[0]
    query = good if query is None else query
    with psycopg.connect(docs.url) as in_transaction:
        for conn in (docs.conn, in_transaction):
            for raised in (
                failure(conn, error, docs.index.search, query, arguments),
                failure(conn, error, docs.index.search_many, [query], arguments),
            ):
                for word in words:
                    assert word in str(raised)
                found = docs.index.search(conn, good)
                assert found.keys == nearest(docs.vectors, good)
                assert conn.execute("show hnsw.ef_search").fetchone() == ("40",)


def failure(
    conn: Conn,
    error: type[MrlError],
    search: Callable[..., object],
    query: Any,
    arguments: dict[str, Any],
) -> MrlError:
    """The error; only what the server has to see may need a savepoint."""
    sent = error is InvalidFilter and not conn.autocommit
    with (
        pytest.raises(error) as raised,
        conn.transaction() if sent else nullcontext(),
    ):
        search(conn, query, **arguments)
    assert isinstance(raised.value, InputError) or error is ColumnNotFound
    return raised.value


def bad(place: int, value: float) -> list[float]:
    values = [0.5] * 64
    values[place] = value
    return values


VECTORS: dict[str, tuple[Any, tuple[str, ...]]] = {
    "short": ([1.0] * 63, ("63", "64", "full size")),
    "long": (np.ones(65), ("65", "64", "full size")),
    "short prefix": (np.ones(32, np.float32), ("32 dimensions", "64")),
    "empty": ([], ("0 dimensions", "64")),
    "nan": (bad(3, float("nan")), ("nan", "position 3", "finite")),
    "inf": (bad(63, float("inf")), ("inf", "position 63", "finite")),
    "minus inf": (np.array(bad(0, -np.inf)), ("-inf", "position 0", "finite")),
    "beyond float32": (bad(7, 1e39), ("1e+39", "position 7", "single-precision")),
    "zeros": (np.zeros(64), ("zeros", "cosine", "l2")),
    "two dimensions": (np.ones((2, 64)), ("(2, 64)", "search_many")),
    "one row": (np.ones((1, 64)), ("(1, 64)", "search_many")),
    "number": (3.5, ("()", "64")),
    "string": ("fear of spiders", ("str", "64 numbers")),
    "bytes": (b"\0" * 256, ("bytes", "64 numbers")),
    "words": (["a"] * 64, ("list", "64 numbers")),
    "ragged": ([[1.0], [1.0, 2.0]], ("list", "64 numbers")),
    "holes": ([None] * 64, ("position 0",)),
    "a mapping": ({"a": 1.0}, ("dict", "64 numbers")),
}


@pytest.mark.parametrize("name", VECTORS)
def test_a_query_that_is_no_vector_of_the_table(docs: Docs, name: str) -> None:
    query, words = VECTORS[name]
    refuse(docs, InvalidVector, words, query)


def test_none_is_no_query(docs: Docs) -> None:
    with pytest.raises(InvalidVector):
        docs.index.search(docs.conn, None)  # type: ignore[arg-type]


SETTINGS: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "k 0": ({"k": 0}, ("k=0", "below 1", "at least one")),
    "k -3": ({"k": -3}, ("k=-3", "below 1")),
    "k float": ({"k": 2.0}, ("k=2.0", "whole number")),
    "k text": ({"k": "10"}, ("k='10'", "whole number")),
    "k True": ({"k": True}, ("k=True", "whole number")),
    "k None": ({"k": None}, ("k=None", "whole number")),
    "candidates 0": ({"candidates": 0}, ("candidates=0", "below 1")),
    "candidates float": ({"candidates": 9.5}, ("candidates=9.5", "whole")),
    "candidates < k": (
        {"k": 20, "candidates": 19},
        ("candidates=19", "k=20", "raise candidates"),
    ),
    "ef_search 0": ({"ef_search": 0}, ("ef_search=0", "below 1")),
    "ef_search < candidates": (
        {"candidates": 80, "ef_search": 40},
        ("ef_search=40", "candidates=80", "raise ef_search"),
    ),
    "ef_search < default": ({"ef_search": 100}, ("ef_search=100", "candidates=160")),
    "ef_search 1001": ({"ef_search": 1001}, ("ef_search=1001", "1000")),
    "ef_search below the cap": (
        {"candidates": 2000, "ef_search": 999},
        ("ef_search=999", "candidates=2000"),
    ),
    "max_scan_tuples 0": ({"max_scan_tuples": 0}, ("max_scan_tuples=0", "below 1")),
    "columns text": ({"columns": "title"}, ("columns='title'", "list")),
    "params alone": ({"params": {"n": 3}}, ("params=", "filter=")),
    "params of ours": (
        {"filter": "n = %(mrl_n)s", "params": {"mrl_n": 3}},
        ("'mrl_n'", "mrl_", "rename"),
    ),
    "params alone, exact": ({"params": [3], "exact": True}, ("params=", "filter=")),
    "k 0, exact": ({"k": 0, "exact": True}, ("k=0", "below 1")),
}


@pytest.mark.parametrize("name", SETTINGS)
def test_a_setting_out_of_bounds(docs: Docs, name: str) -> None:
    arguments, words = SETTINGS[name]
    refuse(docs, InvalidSetting, words, **arguments)


@pytest.mark.parametrize("exact", [False, True])
def test_a_column_that_is_not_there(docs: Docs, exact: bool) -> None:
    words = ("'prize'", "public.docs", "id, n, title, embedding")
    refuse(docs, ColumnNotFound, words, columns=["n", "prize"], exact=exact)
    refuse(docs, ColumnNotFound, ("'N'",), columns=["N"], exact=exact)
    refuse(docs, ColumnNotFound, ("'ctid'",), columns=["ctid"], exact=exact)


FILTERS: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "half": ({"filter": "n >"}, ("'n >'", "syntax error", "%(name)s")),
    "empty": ({"filter": ""}, ("filter=''", "syntax error")),
    "comment": ({"filter": "-- n > 3"}, ("'-- n > 3'", "syntax error")),
    "open": ({"filter": "(n > 3"}, ("'(n > 3'", "syntax error")),
    "close": ({"filter": "n > 3)"}, ("'n > 3)'", "cannot run")),
    "open quote": ({"filter": "title = 'x"}, ("title = 'x", "syntax error")),
    "no column": ({"filter": "prize > 3"}, ("'prize > 3'", "prize", "public.docs")),
    "no table": ({"filter": "id in (select 1 from nowhere)"}, ("nowhere",)),
    "no function": ({"filter": "cheap(n)"}, ("cheap", "does not exist")),
    "no condition": ({"filter": "n"}, ("boolean",)),
    "no operator": ({"filter": "n > title"}, ("operator does not exist",)),
    "aggregate": ({"filter": "count(*) > 1"}, ("aggregate",)),
    "composed": (
        {"filter": sql.SQL("{} > 3").format(sql.Identifier("prize"))},
        ("prize", "public.docs"),
    ),
    "wrong type": (
        {"filter": "n = %(n)s", "params": {"n": "many"}},
        ("'n = %(n)s'", "many"),
    ),
    "no params": ({"filter": "n = %(n)s"}, ("'n = %(n)s'", "params={", "n")),
    "wrong params": (
        {"filter": "n = %(n)s", "params": {"m": 3}},
        ("'n = %(n)s'", "params={"),
    ),
    "other style": ({"filter": "n = %s", "params": {"n": 3}}, ("'n = %s'", "params=[")),
    "other style too": (
        {"filter": "n = %(n)s", "params": [3]},
        ("'n = %(n)s'", "params={"),
    ),
    "too few": ({"filter": "n in (%s, %s)", "params": [3]}, ("params=[",)),
    "too many": ({"filter": "n = %s", "params": [3, 4]}, ("params=[",)),
    "percent": ({"filter": "title like '%x'"}, ("%x", "%%")),
}


@pytest.mark.parametrize("exact", [False, True], ids=["two passes", "exact"])
@pytest.mark.parametrize("name", FILTERS)
def test_a_where_that_cannot_run(docs: Docs, name: str, exact: bool) -> None:
    arguments, words = FILTERS[name]
    refuse(docs, InvalidFilter, words, **arguments, exact=exact)


def test_a_query_beyond_half_precision(conn: Conn) -> None:
    vectors = matryoshka(100)
    make_table(conn, vectors, full_type="halfvec")
    index = MatryoshkaIndex("docs", "embedding", dims=32, distance="l2")
    index.create(conn)
    with pytest.raises(InvalidVector, match=r"100000.*65504.*normalise"):
        index.search(conn, bad(5, 1e5))
    assert index.search(conn, bad(5, 65504)).k == 10
    zeros = index.search(conn, [0.0] * 64)
    assert len(zeros) == 10
    assert all(abs(hit.distance - 1) < 1e-3 for hit in zeros)


def test_a_connection_that_is_closed(docs: Docs) -> None:
    conn = connect(docs.url)
    docs.index.search(conn, docs.vectors[0])
    conn.close()
    with pytest.raises(psycopg.OperationalError, match="closed"):
        docs.index.search(conn, docs.vectors[0])
