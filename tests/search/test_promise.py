"""search(recall=…) from Python: what the result promises, and what it costs to know."""

import asyncio
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from psycopg import AsyncConnection, Cursor
from support.calibrations import NAME, put
from support.databases import Conn, Server, connect, role
from support.plans import explain, first_pass, force_index
from support.sql_calls import stock
from support.tables import Docs, fresh_docs
from support.vectors import assert_true, matryoshka

from mrl_pg import MatryoshkaIndex, Promise
from mrl_pg.errors import InvalidSetting, NotInstalled
from mrl_pg.search.plan import SearchPlan

VECTORS = matryoshka(600)
ON: dict[str, Any] = {"queries": 500, "basis": "queries"}
KEPT = Promise(0.95, "measured", 30, 30, 0.96, 0.95, **ON)


@pytest.fixture(scope="module")
def docs(pg_server: Server) -> Iterator[Docs]:
    with fresh_docs(pg_server, rows=800) as docs:
        put(docs.conn, 12, 0.91, 0.9, 1.0, ef_search=22)
        put(docs.conn, 30, 0.96, 0.95, 2.0, shares={0.7: 50, 1: 450})
        put(docs.conn, 1500, 0.995, 0.99, 3.0)
        put(docs.conn, 70, 0.96, 0.95, 2.0, filter="n < 50", share=0.5)
        force_index(docs.conn)
        yield docs


def plan(docs: Docs, **options: Any) -> SearchPlan:
    return docs.index.plan(docs.conn, docs.vectors[5], **options)


@pytest.mark.parametrize(
    ("options", "promise"),
    [
        ({"recall": 0.9}, Promise(0.9, "measured", 12, 22, 0.91, 0.9, **ON)),
        ({"recall": 0.95}, KEPT),
        ({"recall": 0.95, "k": 3}, KEPT),
        (
            {"recall": 0.95, "quantile": 0.88},
            replace(KEPT, quantile=0.88, found_by=0.9),
        ),
        (
            {"recall": 0.99},
            Promise(0.99, "measured", 1500, 1000, 0.995, 0.99, **ON),
        ),
        ({"recall": 1}, Promise(1, "unreached", 1500, 1000, 0.995, 0.99, **ON)),
        (
            {"recall": 0.9, "filter": "n < %s", "params": [45]},
            Promise(0.9, "unreached", 70, 70, 0.96, 0.95, **ON),
        ),
        # a tenth as many rows as were measured with any filter
        (
            {"recall": 0.9, "filter": "n < 5"},
            Promise(0.9, "uncalibrated", 160, 160, None, None),
        ),
        (
            {"recall": 0.9, "k": 20},
            Promise(0.9, "uncalibrated", 160, 160, None, None),
        ),
    ],
)
def test_the_result_says_what_stands_behind_it(
    docs: Docs, options: dict[str, Any], promise: Promise
) -> None:
    result = docs.index.search(docs.conn, docs.vectors[5], **options)
    assert result.promise == promise
    assert (result.candidates, result.ef_search) == (
        promise.candidates,
        promise.ef_search,
    )
    assert_true(result, docs.vectors, docs.vectors[5])
    assert first_pass(explain(docs.conn, plan(docs, **options))) == [NAME]
    (again, _) = docs.index.search_many(docs.conn, docs.vectors[5:7], **options)
    assert again == result

    async def ask() -> list[Any]:
        async with await AsyncConnection.connect(docs.url, autocommit=True) as conn:
            for name in ("seqscan", "bitmapscan", "sort"):
                await conn.execute(f"set enable_{name} = off".encode())
            one = await docs.index.search_async(conn, docs.vectors[5], **options)
            several = docs.vectors[5:7]
            many = await docs.index.search_many_async(conn, several, **options)
            planned = await docs.index.plan_async(conn, docs.vectors[5], **options)
            return [one, many[0], planned.promise]

    assert asyncio.run(ask()) == [result, result, promise]


def test_what_is_named_wins(docs: Docs) -> None:
    asked = docs.index.search(docs.conn, docs.vectors[0], recall=0.9, candidates=44)
    assert (asked.candidates, asked.promise) == (44, None)
    exact = docs.index.search(docs.conn, docs.vectors[0], recall=0.9, exact=True)
    assert (exact.scan, exact.promise) == ("exact", None)
    wide = docs.index.search(docs.conn, docs.vectors[0], recall=0.95, ef_search=99)
    assert (wide.candidates, wide.ef_search, wide.promise) == (30, 99, KEPT)
    plain = docs.index.search(docs.conn, docs.vectors[0])
    assert (plain.candidates, plain.promise) == (160, None)
    assert first_pass(explain(docs.conn, plan(docs, recall=0.95))) == [NAME]


@pytest.mark.parametrize("recall", [0, -1, 1.5, float("nan"), "0.9", True])
def test_what_is_no_recall_is_refused(docs: Docs, recall: Any) -> None:
    for options in ({}, {"candidates": 50}, {"exact": True}):
        with pytest.raises(InvalidSetting, match="not a share above 0 and at most 1"):
            docs.index.search(docs.conn, docs.vectors[0], recall=recall, **options)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"quantile": 0.9}, "quantile=0.9 was given without a recall: say what"),
        ({"recall": 0.9, "quantile": 1}, "quantile=1 is not a share above 0 and"),
        ({"recall": 0.9, "quantile": "x"}, "quantile='x' is not a share above 0"),
        ({"recall": 0.9, "quantile": 0, "exact": True}, "quantile=0 is not a share"),
    ],
)
def test_what_is_no_quantile_is_refused(
    docs: Docs, options: dict[str, Any], words: str
) -> None:
    with pytest.raises(InvalidSetting, match=re.escape(words)):
        docs.index.search(docs.conn, docs.vectors[0], **options)
    options.pop("exact", None)
    with pytest.raises(InvalidSetting, match=re.escape(words)):
        docs.index.recall(docs.conn, sample=1, **options)


def test_recall_measures_the_search_of_a_quantile(docs: Docs) -> None:
    report = docs.index.recall(docs.conn, sample=2, recall=0.95, quantile=0.88)
    assert (report.candidates, report.ef_search) == (30, 30)
    assert report.promise is not None
    assert str(report.promise) == (
        "recall 0.95, quantile 0.88: 90 % of 500 real queries found at least 0.95"
        " (95 % sure to be above 87.5 %; 0.9600 on average)"
    )
    unknown = docs.index.plan(
        docs.conn, docs.vectors[0], k=3, recall=0.9, quantile=0.88
    ).promise
    assert str(unknown).endswith("; calibrate with the k of this search")
    beyond = docs.index.plan(
        docs.conn, docs.vectors[0], recall=0.9, quantile=0.99
    ).promise
    assert str(beyond).endswith("or exact=True")
    few = docs.index.plan(docs.conn, docs.vectors[0], recall=0.9, quantile=0.89).promise
    assert str(few).endswith("; calibrate with more queries, or with real queries")


@pytest.fixture
def statements(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """First lines of what any cursor sends."""
    sent: list[str] = []
    execute = Cursor.execute

    def counting(self: Any, query: Any, *args: Any, **kwargs: Any) -> Any:
        sent.append(bytes(query).decode() if isinstance(query, bytes) else str(query))
        return execute(self, query, *args, **kwargs)

    monkeypatch.setattr(Cursor, "execute", counting)
    return sent


def test_a_calibration_is_read_once_a_minute(
    docs: Docs, statements: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1000.0
    monkeypatch.setattr("mrl_pg.search.promised.time.monotonic", lambda: now)
    asked: dict[str, Any] = {"recall": 0.95}

    def looks() -> int:
        statements.clear()
        docs.index.search(conn, docs.vectors[0], **asked)
        return sum("mrl._promised" in statement for statement in statements)

    with connect(docs.url) as conn:
        assert [looks(), looks(), looks()] == [1, 0, 0]
        assert len(statements) == 1
        now += 59
        assert looks() == 0
        now += 2
        assert [looks(), looks()] == [1, 0]
        # another question is another answer
        asked["recall"] = 0.9
        assert [looks(), looks()] == [1, 0]
        docs.index.calibrate(conn, k=99, sample=3)
        assert [looks(), looks()] == [1, 0]
        docs.conn.execute("delete from mrl._calibrations where k = 99")
        # of a filter for its values; a list of thousands is read anew each time
        asked |= {"filter": "id = any(%(ids)s)", "params": {"ids": [1, 2]}}
        assert [looks(), looks()] == [1, 0]
        asked["params"] = {"ids": [2, 3]}
        assert [looks(), looks()] == [1, 0]
        asked["params"] = {"ids": [*range(5000)]}
        assert [looks(), looks()] == [1, 1]


def test_under_a_policy_each_tenant_has_its_own(conn: Conn, database: str) -> None:
    """On one connection the first tenant's was taken for all, for a minute."""
    stock(conn, VECTORS)
    conn.execute(
        "analyze docs; alter table docs enable row level security;"
        "create policy own on docs using (n < current_setting('app.below')::int)"
    )
    put(conn, 20, 0.99, 0.99, 1.0)
    put(conn, 90, 0.99, 0.99, 1.0, filter="n < 5", share=0.05)
    index = MatryoshkaIndex("docs", "embedding", dims=32)
    url = role(conn, database, "tenant")
    conn.execute("grant select on docs to tenant")

    def candidates(below: int) -> int | None:
        tenant.execute(f"set app.below = {below}".encode())
        return index.search(tenant, VECTORS[0], k=3, recall=0.9).candidates

    with connect(url) as tenant:
        assert [candidates(below) for below in (90, 5, 90)] == [20, 90, 20]


def test_every_connection_reads_its_own(docs: Docs, statements: list[str]) -> None:
    for _ in range(2):
        with connect(docs.url) as conn:
            docs.index.search(conn, docs.vectors[0], recall=0.95)
    assert sum("mrl._promised" in statement for statement in statements) == 2


def test_a_database_without_calibrations_says_what_to_do(
    conn: Conn, docs: Docs
) -> None:
    index = MatryoshkaIndex("notes", "embedding", dims=4)
    conn.execute("create table notes (id int primary key, embedding vector(8))")
    conn.execute(
        "insert into notes select i, (array[i, 1] || array_fill(1, '{6}'))::vector"
        " from generate_series(1, 20) as i"
    )
    index.create(conn)
    conn.execute("drop schema mrl cascade")
    query = [1.0] * 8
    for call in (
        lambda: index.search(conn, query, recall=0.9),
        lambda: index.search_many(conn, [query], recall=0.9),
        lambda: index.calibrate(conn),
        lambda: index.recall(conn),
        lambda: index.recall(conn, recall=0.9),
        lambda: index.history(conn),
    ):
        with pytest.raises(NotInstalled, match="mrl-pg install"):
            call()
    # without a recall it needs nothing of the schema
    assert len(index.search(conn, query)) == 10


@pytest.mark.parametrize(
    ("recall", "k", "filter", "said"),
    [
        (
            0.95,
            10,
            None,
            "recall 0.95: measured 0.9600 on 500 real queries (95 % sure to be above"
            " 0.9500)",
        ),
        (
            0.999,
            10,
            None,
            "recall 0.999: out of reach, because the most that was measured is 0.9950"
            " on 500 real queries (95 % sure to be above 0.9900); take a larger size,"
            " another kind, m or ef_construction, or exact=True",
        ),
        (
            0.99,
            10,
            "n < 50",
            "recall 0.99: not sure, because too few queries were measured: 0.9930 on",
        ),
        (
            0.9,
            10,
            "n < 45",
            "recall 0.9: not sure, because it was measured with another filter, whose"
            " answers may be nearer: 0.9930 on 500 real queries, with another filter"
            " about as selective (95 % sure to be above 0.9500); calibrate with this"
            " filter",
        ),
        (
            0.9,
            2,
            "n = 5",
            "recall 0.9: measured 0.9800 on 500 rows of the table (95 % sure to be"
            " above 0.9700; 1 query in 20 found at most 0.8000); real queries may find"
            " less, so calibrate with real queries",
        ),
        (
            0.97,
            2,
            "n = 5",
            "recall 0.97: not sure, because rows must find more than real",
        ),
        (
            0.99,
            20,
            None,
            "recall 0.99: there is no calibration for k 20; 480 candidates are taken",
        ),
        (
            0.99,
            20,
            "n < 50",
            "there is no calibration for k 20 with a filter like this; 480 candidates",
        ),
    ],
)
def test_a_promise_is_a_sentence(
    docs: Docs, recall: float, k: int, filter: str | None, said: str
) -> None:
    with docs.conn.transaction(force_rollback=True):
        docs.conn.execute(
            "update mrl._calibrations set recall = 0.993 where filter <> ''"
        )
        put(docs.conn, 9, 0.98, 0.97, 1, k=2, filter="n = 5", share=0.01, basis="rows")
        docs.conn.execute("update mrl._calibrations set p05 = 0.8 where k = 2")
        plan = docs.index.plan(
            docs.conn, docs.vectors[5], k=k, recall=recall, filter=filter
        )
    assert said in str(plan.promise)
