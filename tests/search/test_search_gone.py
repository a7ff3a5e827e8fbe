"""Objects that are dropped while the server looks at them: verbs that read look again.

Nothing here waits for the right moment. In place of a statement the server runs one
that raises the error, or what it looks for is deleted from the catalog.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from psycopg import errors
from support.databases import Conn, connect
from support.in_use import DOCS, QUERY, TRUTH, make_docs
from support.plans import explain, first_pass
from support.verbs import intercepted

from mrl_pg import MatryoshkaColumn, MatryoshkaIndex
from mrl_pg.build.status import read_status
from mrl_pg.calibration.recall_report import recall
from mrl_pg.catalog.read import forget_facts
from mrl_pg.exchange import Exchange, Request, Send, run
from mrl_pg.search.find import find
from mrl_pg.search.options import SearchOptions

INDEX = MatryoshkaIndex("docs", "embedding", dims=16)
OPTIONS = SearchOptions(k=5, candidates=300)

GONE = (
    "cache lookup failed for function 32769",
    "could not open relation with OID 32769",
    "could not find tuple for trigger 32769",
    "pg_attribute catalog is missing 1 attribute(s) for relation OID 32769",
)


def failing(verb: Exchange[Any], at: int, message: str = GONE[0]) -> Exchange[Any]:
    """The verb, whose request of this number fails once with an internal error.

    Its answer is None if the verb sends fewer requests.
    """
    text = f"do $$ begin raise exception '{message}' using errcode = 'XX000'; end $$"
    sent: list[Request] = []

    def handle(request: Request) -> Exchange[object]:
        sent.append(request)
        return (yield Send(text.encode()) if len(sent) == at + 1 else request)

    answer = yield from intercepted(verb, handle)
    return answer if at < len(sent) else None


def outlasted(url: str, verb: Callable[[Conn], Exchange[Any]]) -> list[Any]:
    """Its answers after each of its requests has failed once, each in a session."""
    answers: list[Any] = []
    while True:
        with connect(url) as conn:
            answer = run(conn, failing(verb(conn), len(answers)))
        if answer is None:
            return answers
        answers.append(answer)


@pytest.fixture
def docs(conn: Conn) -> Conn:
    make_docs(conn, INDEX)
    return conn


@pytest.mark.parametrize("searched", [INDEX, DOCS], ids=["index", "column"])
def test_a_search_outlasts_an_object_that_goes_at_any_of_its_statements(
    docs: Conn, database: str, searched: MatryoshkaIndex | MatryoshkaColumn
) -> None:
    def search(conn: Conn) -> Exchange[Any]:
        return find(conn, searched, QUERY, OPTIONS)

    answers = outlasted(database, search)
    # facts of the table, its rotations, of the column the index in use; and the search
    assert len(answers) == (4 if searched is INDEX else 5)
    for found in answers:
        assert (found.index_name, found.keys) == (INDEX.name, TRUTH)
    for message in GONE[1:]:
        found = run(docs, failing(search(docs), 0, message))
        assert (found.index_name, found.keys) == (INDEX.name, TRUTH)
    plan = searched.plan(docs, QUERY, k=5, candidates=300)
    assert first_pass(explain(docs, plan)) == [INDEX.name]


def test_status_and_measurements_outlast_it_too(docs: Conn, database: str) -> None:
    def recall_of(conn: Conn) -> Exchange[Any]:
        return recall(
            conn,
            INDEX,
            OPTIONS,
            sample=2,
            queries=None,
            real_queries=False,
            keep=False,
            progress=None,
        )

    for report in outlasted(database, recall_of):
        assert report.recall == 1
    for status in outlasted(database, lambda _: read_status(None, False)):
        assert [(index.name, index.usable) for index in status] == [(INDEX.name, True)]


def test_other_internal_errors_and_those_in_a_transaction_are_raised(
    docs: Conn,
) -> None:
    def search() -> Exchange[Any]:
        forget_facts(docs, INDEX)
        return find(docs, INDEX, QUERY, OPTIONS)

    with pytest.raises(errors.InternalError_, match="unexpected zero page"):
        run(docs, failing(search(), 0, "index has an unexpected zero page"))
    for at in range(3):
        with (
            pytest.raises(errors.InternalError_, match="cache lookup failed"),
            docs.transaction(),
        ):
            run(docs, failing(search(), at))


def test_a_search_reads_no_function_of_a_trigger(docs: Conn) -> None:
    """`pg_get_triggerdef` raised an error when the function went after the trigger."""
    INDEX.drop(docs)
    replace(INDEX, keep="trigger").create(docs)
    assert INDEX.search(docs, QUERY, k=5, candidates=300).keys == TRUTH
    # as if another session had dropped it between two looks of the server
    gone = "delete from pg_proc where proname ~ '_keep$' and prosrc ~ 'embedding_16_'"
    assert docs.execute(gone).rowcount == 1
    found = INDEX.search(docs, QUERY, k=5, candidates=300)
    assert (found.index_name, found.keys) == (INDEX.name, TRUTH)
