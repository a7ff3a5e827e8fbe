"""Every argument of everything public, given what it is not: a typed error, or none."""

import asyncio
import math
import re
from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Any

import numpy as np
import psycopg
import pytest
from psycopg import sql
from psycopg.types.json import Jsonb
from support.tables import Docs, docs_fixture
from support.versions import one_version

import mrl_pg
from mrl_pg import (
    Calibration,
    CalibrationPoint,
    InvalidSetting,
    InvalidVector,
    MatryoshkaIndex,
    MrlError,
    models,
    tune,
)

pytestmark = one_version


class Refusing:
    """An object that answers each question about itself by an error of its own."""

    def __repr__(self) -> str:
        raise RuntimeError("no name")

    def __index__(self) -> int:
        raise RuntimeError("no number")

    def __array__(self, *_: Any, **__: Any) -> Any:
        raise RuntimeError("no array")

    def __len__(self) -> int:
        raise RuntimeError("no length")

    def __iter__(self) -> Iterator[Any]:
        raise RuntimeError("no values")

    def __float__(self) -> float:
        raise RuntimeError("no float")

    def to_numpy(self) -> Any:
        raise RuntimeError("no NumPy")


def nested() -> list[Any]:
    """A list in itself."""
    values: list[Any] = []
    values.append(values)
    return values


HOSTILE: dict[str, Callable[[], Any]] = {
    "None": lambda: None,
    "True": lambda: True,
    "a bool of NumPy": lambda: np.bool_(True),
    "zero": lambda: 0,
    "below zero": lambda: -1,
    "a fraction": lambda: 1.5,
    "not a number": lambda: math.nan,
    "infinite": lambda: math.inf,
    "many digits": lambda: 10**5000,
    "a ratio": lambda: Fraction(10**400, 3),
    "beyond 64 bits": lambda: 2**70,
    "empty": lambda: "",
    "text": lambda: "x",
    "digits": lambda: "10",
    "NUL": lambda: "a\0b",
    "a surrogate": lambda: "a\ud800",
    "long": lambda: "x" * 5000,
    "bytes": lambda: b"10",
    "a list": lambda: [],
    "a list of lists": lambda: [[1, 2], [3]],
    "a list in itself": nested,
    "texts": lambda: ["1"] * 64,
    "no names": lambda: [None, 1],
    "a mapping": lambda: {"n": 1},
    "mapping by numbers": lambda: {1: 2},
    "a set": lambda: {1, 2},
    "a generator": lambda: (value for value in ("n", 1)),
    "an array": lambda: np.array([1, 2]),
    "times": lambda: np.zeros(64, "M8[s]"),
    "complex": lambda: np.ones(64, complex),
    "big in an array": lambda: [10**400] * 64,
    "an object": object,
    "a class": lambda: MatryoshkaIndex,
    "a function": lambda: print,
    "refusing": Refusing,
    "SQL of no text": lambda: sql.Literal(object()),
    "SQL with NUL": lambda: sql.SQL("n > 3\0"),
    "values that are none": lambda: [object()],
    "values that refuse": lambda: [Jsonb(object())],
    "values with NUL": lambda: ["a\0b"],
    "a surrogate in values": lambda: {"n": "a\ud800"},
}


docs = docs_fixture(100)


def calls(docs: Docs) -> Iterator[tuple[str, Callable[..., object], dict[str, Any]]]:
    """Each call that must come to an end, and what is usually given for it."""
    conn, index, query = docs.conn, docs.index, docs.vectors[0]
    filtered = {"filter": "n = %(n)s", "params": {"n": 5}}
    options = {
        "k": 3,
        "candidates": 20,
        "ef_search": 40,
        "max_scan_tuples": 100,
        "columns": ["n"],
        "exact": False,
        "recall": 0.9,
        **filtered,
    }
    searched = {name: options[name] for name in options if name != "columns"}
    del searched["exact"]
    yield "search", lambda **of: index.search(conn, **of), {"query": query, **options}
    yield (
        "search in order",
        lambda **of: index.search(conn, query, **{"filter": "n = %s", **of}),
        {"params": [5]},
    )
    yield (
        "search for a recall",
        lambda **of: index.search(conn, query, **of),
        {"k": 3, "recall": 0.9, **filtered},
    )
    yield (
        "search_many",
        lambda **of: index.search_many(conn, **of),
        {"queries": [query] * 2, **options},
    )
    yield "plan", lambda **of: index.plan(conn, **of), {"query": query, **options}
    yield (
        "recall",
        lambda **of: index.recall(conn, **{"sample": 2, **of}),
        {
            "sample": 2,
            "queries": [query],
            "keep": False,
            "real_queries": False,
            "progress": print,
            **searched,
        },
    )
    yield (
        "calibrate",
        lambda **of: index.calibrate(conn, **{"sample": 2, **of}),
        {
            "k": 3,
            "sample": 2,
            "queries": [query],
            "real_queries": False,
            "progress": print,
            **filtered,
        },
    )
    yield "keep_query", lambda **of: index.keep_query(conn, **of), {"query": query}
    yield (
        "create",
        lambda **of: index.create(conn, **of),
        {"workers": 0, "maintenance_work_mem": "64MB", "progress": print},
    )
    layout = {"table": "docs", "column": "embedding", "dims": 32}
    more = {"kind": "halfvec", "distance": "cosine", "m": 16, "ef_construction": 64}
    names = {"schema": "public", "short": "short", "name": "name"}
    yield (
        "MatryoshkaIndex",
        lambda **of: MatryoshkaIndex(**of),
        {**layout, **more, **names},
    )
    yield "normalise", mrl_pg.normalise, {"vectors": docs.vectors}
    yield "truncate", mrl_pg.truncate, {"vectors": docs.vectors, "dims": 32}
    point = CalibrationPoint(10, 10, 0.9, 0.9, 1.0, 1.0)
    calibration = Calibration(index, 10, (point,), 1.0, 10, 100)
    yield "cheapest", calibration.cheapest, {"recall": 0.9, "slack": 0.0}
    for which in NEEDING:
        given = {
            "search": [query],
            "keep_query": [query],
            "search_many": [[query]],
        }.get(which, [])
        yield (
            f"{which} of no connection",
            lambda conn, which=which, given=given: getattr(index, which)(conn, *given),
            {"conn": conn},
        )
    yield "install", mrl_pg.install, {"conn": conn}
    yield "models.find", models.find, {"name": "x"}
    yield (
        "tune",
        lambda **of: tune.tune(conn, **of),
        {
            "table": "docs",
            "column": "embedding",
            "k": 3,
            "recall": 0.9,
            "distance": "cosine",
            "schema": "public",
            "model": None,
            "sizes": [16],
            "kinds": ["bit"],
            "m": 16,
            "ef_construction": 64,
            "tries": 1,
            "queries": 20,
            "queries_file": None,
            "queries_sql": None,
            "sample_rows": 100,
            "seed": 0,
            "show": ["n"],
            "plan": True,
        },
    )


NEEDING = (
    "search",
    "search_many",
    "history",
    "create",
    "drop",
    "calibrate",
    "keep_query",
)
CALLS = [
    "search",
    "search in order",
    "search for a recall",
    "search_many",
    "plan",
    "recall",
    "calibrate",
    "keep_query",
    "create",
    "MatryoshkaIndex",
    "normalise",
    "truncate",
    "cheapest",
    *(f"{which} of no connection" for which in NEEDING),
    "install",
    "models.find",
    "tune",
]


@pytest.mark.parametrize("name", CALLS)
def test_hostile_values_are_refused_by_typed_errors(docs: Docs, name: str) -> None:
    found = {what: (call, usual) for what, call, usual in calls(docs)}
    assert list(found) == CALLS
    call, usual = found[name]
    wrong = []
    for argument in usual:
        for value, make in HOSTILE.items():
            given = make()
            try:
                call(**{**usual, argument: given})
            except MrlError:
                pass
            except psycopg.Error as error:
                # what only the server can know, in its own words
                if not error.sqlstate:
                    wrong.append(f"{argument}={value}: {error!r}")
            except Exception as error:
                # what a caller's own function raises is his
                if argument != "progress" or not callable(given):
                    wrong.append(f"{argument}={value}: {error!r}")
            docs.conn.rollback()
    assert wrong == []


def test_what_numpy_counts_and_says_is_taken(docs: Docs) -> None:
    index = MatryoshkaIndex("docs", "embedding", dims=np.int64(32))
    assert index == docs.index
    found = index.search(
        docs.conn,
        docs.vectors[0],
        k=np.int32(3),
        candidates=np.uint8(50),
        exact=np.bool_(False),  # type: ignore[arg-type]
        columns=np.array(["n"]),  # type: ignore[arg-type]
    )
    assert (found.k, found.candidates, len(found)) == (3, 50, 3)
    assert found[0]["n"] == 1
    many = index.search_many(docs.conn, docs.vectors[:2])
    assert [one.keys[0] for one in many] == [1, 2]
    twice = index.search_many(docs.conn, (vector for vector in docs.vectors[:2]))  # type: ignore[arg-type]
    assert [one.keys[0] for one in twice] == [1, 2]
    columns = index.search(docs.conn, docs.vectors[0], columns=iter(["n", "title"]))  # type: ignore[arg-type]
    assert dict(columns[0].columns) == {"n": 1, "title": "title 1"}


WORDS: tuple[tuple[dict[str, Any], str], ...] = (
    ({"k": "3"}, "k='3' is not a whole number"),
    ({"k": 0, "recall": 0.9}, "k=0 is below 1: ask for at least one row"),
    ({"candidates": 2**40}, f"candidates={2**40} is above 1000000000"),
    ({"columns": None}, "columns=None is no list: pass a list of names"),
    ({"columns": [3]}, "columns has 3, which is not a name"),
    ({"exact": "no"}, "exact='no' is neither True nor False"),
    ({"recall": math.nan}, "recall=nan is not a share above 0 and at most 1"),
    ({"filter": 3}, "filter=3 is not a condition: write it in SQL"),
    ({"filter": "n > 3\0"}, "holds the character NUL"),
    ({"filter": "n > 3\ud800"}, "is not valid text"),
    ({"filter": "n = %s", "params": "5"}, "params='5' are not values: pass a mapping"),
    ({"filter": "n = %s", "params": ["\0"]}, "filter='n = %s' cannot run: "),
    ({"filter": "n = %s", "params": [Refusing()]}, "filter='n = %s' cannot run: "),
)


@pytest.mark.parametrize(("options", "words"), WORDS)
def test_the_error_names_value_rule_and_next_step(
    docs: Docs, options: dict[str, Any], words: str
) -> None:
    for search, query in (
        (docs.index.search, docs.vectors[0]),
        (docs.index.search_many, [docs.vectors[0]]),
    ):
        with pytest.raises(MrlError, match=re.escape(words)):
            search(docs.conn, query, **options)


@pytest.mark.parametrize("queries", [None, 3, "x", b"x", {1: 2}, [1.0, 2.0]])
def test_what_are_no_queries(docs: Docs, queries: Any) -> None:
    for call in (docs.index.search_many, docs.index.calibrate):
        if queries in (None, "x") and call == docs.index.calibrate:
            continue
        with pytest.raises(InvalidVector):
            call(docs.conn, queries=queries)


def test_a_connection_of_the_other_kind(docs: Docs) -> None:
    async def run() -> None:
        async with await psycopg.AsyncConnection.connect(docs.url) as waiting:
            with pytest.raises(InvalidSetting, match="ends in _async"):
                docs.index.search(waiting, docs.vectors[0])  # type: ignore[arg-type]
        with pytest.raises(InvalidSetting, match="the method without _async"):
            await docs.index.search_async(docs.conn, docs.vectors[0])  # type: ignore[arg-type]
        with pytest.raises(InvalidSetting, match="pass a psycopg"):
            await docs.index.history_async(None)  # type: ignore[arg-type]

    asyncio.run(run())
