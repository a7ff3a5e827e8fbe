"""Searches from SQL in a rotated column: queries are rotated, distances stay."""

from typing import Any

import numpy as np
import pytest
from psycopg import errors
from support.databases import Conn
from support.plans import force_index
from support.rotations import make_rotated, orthogonal, set_matrix
from support.sql_calls import assert_exact, create, ids, keys, many, one, text
from support.sql_plans import ordered, prepared, scanning
from support.tables import make_table
from support.vectors import matryoshka, nearest

ROWS = matryoshka(600)
MATRIX = orthogonal(64)
QUERY = ROWS[7] * 0.7 + ROWS[8] * 0.3
SINGLE = 1e-5


def vector(conn: Conn, call: str, *values: Any) -> Any:
    """The vector that a call returns."""
    answer = one(conn, f"select ({call})::real[]", *values)
    return np.array(answer)


@pytest.fixture
def rotated(conn: Conn) -> Conn:
    make_rotated(conn, ROWS, MATRIX)
    return conn


def test_rotate_and_back(rotated: Conn) -> None:
    turned = vector(rotated, "mrl.rotate('docs', 'embedding', %s::vector)", text(QUERY))
    assert np.allclose(turned, MATRIX @ QUERY, atol=SINGLE)
    back = vector(
        rotated, "mrl.unrotate('docs', 'embedding', %s::vector)", text(turned)
    )
    assert np.allclose(back, QUERY, atol=SINGLE)


@pytest.mark.parametrize("kind", ["halfvec", "vector"])
def test_searches_rotate_their_queries(rotated: Conn, kind: str) -> None:
    name = create(rotated, dims=32, kind=kind)
    rotated.execute("analyze docs")
    force_index(rotated)
    truth = nearest(ROWS, QUERY, 5)
    options: Any = {"k": 5, "candidates": 400}
    with scanning(rotated, name):
        answers = keys(rotated, QUERY, **options)
    assert_exact(answers, ROWS, QUERY)
    assert [key for key, _ in answers] == truth
    with scanning(rotated, name):
        assert ids(rotated, QUERY, **options) == truth
        assert ids(rotated, QUERY, filter="n >= 0", **options) == truth
        assert many(rotated, [QUERY, ROWS[3]], **options)[0] == answers
    assert ids(rotated, QUERY, k=5, exact=True) == truth
    hybrid = rotated.execute(
        "select (hit).id from mrl.hybrid(null::docs, 'embedding', %s, 'none', 'title',"
        " k => 5, candidates => 400)",
        [text(QUERY)],
    ).fetchall()
    assert [key for (key,) in hybrid] == truth
    # an ordinary search, which has a path of its own
    assert ids(rotated, ROWS[5])[0] == 6


def test_printed_and_made_searches_rotate(rotated: Conn) -> None:
    name = create(rotated, dims=32)
    rotated.execute("analyze docs")
    force_index(rotated)
    truth = nearest(ROWS, QUERY, 5)
    call = "select mrl.search_sql('docs', 'embedding', k => 5, candidates => 400)"
    statement = one(rotated, call)
    assert statement.count("mrl.rotate") == 1
    plan = prepared(rotated, statement, ["vector"], [text(QUERY)])
    assert ordered(plan) == [name]
    rotated.execute(
        "select mrl.create_search_function('find_docs', 'docs', 'embedding', k => 5,"
        " candidates => 400)"
    )
    rows = rotated.execute("select id from find_docs(%s, 5)", [text(QUERY)]).fetchall()
    assert [key for (key,) in rows] == truth


def test_calibrations_and_recalls_rotate_what_is_given(rotated: Conn) -> None:
    create(rotated, dims=32)
    queries = [text(query) for query in matryoshka(40, seed=9)]
    given = "queries => %s::vector[]"
    recall = one(
        rotated,
        f"select recall from mrl.recall('docs', 'embedding', k => 5, {given})",
        queries,
    )
    plain = recall_of_unrotated(rotated, queries)
    assert recall == pytest.approx(plain, abs=0.08)
    assert recall > 0.9
    rows = rotated.execute(
        f"select recall from mrl.calibrate('docs', 'embedding', k => 5, {given})",
        [queries],
    ).fetchall()
    assert max(recall for (recall,) in rows) > 0.95


def recall_of_unrotated(conn: Conn, queries: list[str]) -> float:
    """Recall of the same search of a table whose prefixes are as good."""
    make_table(conn, ROWS, table="plain")
    create(conn, "plain", dims=48)
    recall: float = one(
        conn,
        "select recall from mrl.recall('plain', 'embedding', k => 5, "
        "queries => %s::vector[])",
        queries,
    )
    return recall


def test_bits_are_refused_with_the_figure(rotated: Conn) -> None:
    with pytest.raises(errors.InvalidParameterValue, match="is rotated") as caught:
        create(rotated, dims=64, kind="bit")
    assert ".902" in (caught.value.diag.message_hint or "")
    set_matrix(rotated, None, already=True)
    create(rotated, dims=64, kind="bit")


def test_what_is_refused(conn: Conn) -> None:
    make_table(conn, ROWS)
    with pytest.raises(errors.ObjectNotInPrerequisiteState, match="has vectors"):
        set_matrix(conn, MATRIX)
    with pytest.raises(errors.InvalidParameterValue, match="32 rows of 64 numbers"):
        set_matrix(conn, MATRIX[:32], already=True)
    with pytest.raises(errors.InvalidParameterValue, match="not orthogonal"):
        set_matrix(conn, MATRIX * 2, already=True)
    skewed = MATRIX.copy()
    skewed[0] = (MATRIX[0] + MATRIX[1]) * 0.5**0.5
    with pytest.raises(errors.InvalidParameterValue, match="not orthogonal"):
        set_matrix(conn, skewed, already=True)
    with pytest.raises(errors.ObjectNotInPrerequisiteState, match="is not rotated"):
        conn.execute("select mrl.rotate('docs', 'embedding', %s)", [text(QUERY)])
    create(conn, dims=32)
    with pytest.raises(errors.ObjectNotInPrerequisiteState, match="has short indexes"):
        set_matrix(conn, MATRIX, already=True)


def test_a_renamed_column_stays_rotated(rotated: Conn) -> None:
    rotated.execute("alter table docs rename embedding to vector")
    rotated.execute("alter table docs add embedding vector(64)")
    known = "select full_column::text from mrl.column_rotations"
    assert one(rotated, known) == "vector"
    rotated.execute("alter table docs rename to papers")
    turned = vector(rotated, "mrl.rotate('papers', 'vector', %s::vector)", text(QUERY))
    assert np.allclose(turned, MATRIX @ QUERY, atol=SINGLE)
    # the new column of the old name has a rotation of its own
    other = orthogonal(64, seed=2)
    set_matrix(rotated, other, table="papers", version="2")
    for column, matrix in (("vector", MATRIX), ("embedding", other)):
        call = f"mrl.rotate('papers', '{column}', %s::vector)"
        assert np.allclose(
            vector(rotated, call, text(QUERY)), matrix @ QUERY, atol=SINGLE
        )
    rotated.execute("alter table papers drop vector")
    set_matrix(rotated, other, table="papers", version="2", already=True)
    assert one(rotated, "select count(*) from mrl._rotations") == 1
    assert one(rotated, "select count(*) from mrl._rotation_rows") == 128
