"""The functions of schema mrl: NumPy's twin, labels, rights, dump and restore."""

import subprocess
from collections.abc import Sequence
from typing import Any

import numpy as np
import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray
from psycopg import sql

from mrl_pg import MatryoshkaIndex, server, truncate
from mrl_pg.kinds import Kind
from mrl_pg.server import EmbeddedServer

Conn = psycopg.Connection[Any]
DTYPES: dict[str, type[np.floating]] = {"vector": np.float32, "halfvec": np.float16}
FLOATS = {
    "vector": st.floats(allow_nan=False, allow_infinity=False, width=32),
    "halfvec": st.floats(allow_nan=False, allow_infinity=False, width=16),
}
TINY = {
    "vector": float(np.finfo(np.float32).smallest_subnormal),
    "halfvec": float(np.finfo(np.float16).smallest_subnormal),
}
HUGE = {"vector": 1e38, "halfvec": 65504.0}
per_example = settings(
    max_examples=60,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


def from_sql(
    conn: Conn, kind: str, values: Sequence[float] | None, dims: int | None
) -> list[float] | None:
    call = sql.SQL("select mrl.truncate(%s::real[]::{}, %s::int)::real[]").format(
        sql.Identifier(kind)
    )
    values = None if values is None else [float(value) for value in values]
    row = conn.execute(call, [values, dims]).fetchone()
    assert row is not None
    answer: list[float] | None = row[0]
    return answer


def assert_twins_agree(conn: Conn, values: NDArray[np.floating], dims: int) -> None:
    kind = "vector" if values.dtype == np.float32 else "halfvec"
    answer = from_sql(conn, kind, values.tolist(), dims)
    wanted = truncate(values, dims)
    # the server may sum in another order, and rounds to a half by way of a float
    np.testing.assert_array_max_ulp(
        np.array(answer, dtype=values.dtype), wanted, maxulp=1
    )


@pytest.mark.parametrize("kind", ["vector", "halfvec"])
@per_example
@given(data=st.data())
def test_any_vector_is_cut_as_in_numpy(
    conn: Conn, kind: str, data: st.DataObject
) -> None:
    floats = FLOATS[kind]
    values = data.draw(hnp.arrays(DTYPES[kind], st.integers(1, 40), elements=floats))
    assert_twins_agree(conn, values, data.draw(st.integers(1, len(values))))


@pytest.mark.parametrize("kind", ["vector", "halfvec"])
@pytest.mark.parametrize("dims", [1, 2, 4])
def test_hostile_vectors_are_cut_as_in_numpy(conn: Conn, kind: str, dims: int) -> None:
    tiny, huge = TINY[kind], HUGE[kind]
    for values in (
        [0, 0, 0, 0],
        [-0.0, 0, -0.0, 0],
        [0, 0, 0, 1],
        [tiny, tiny, -tiny, 0],
        [huge, -huge, huge, huge],
        [huge, tiny, 1, -0.0],
        [-0.0, tiny, 3, 4],
    ):
        assert_twins_agree(conn, np.array(values, dtype=DTYPES[kind]), dims)


def test_wide_vectors_are_cut_as_in_numpy(conn: Conn) -> None:
    full = np.random.default_rng(5).standard_normal(3072).astype(np.float32)
    for dims in (1, 256, 3072):
        assert_twins_agree(conn, full, dims)
        assert_twins_agree(conn, full.astype(np.float16), dims)


@pytest.mark.parametrize("kind", ["vector", "halfvec"])
@pytest.mark.parametrize("dims", [0, -1, 4])
def test_no_such_prefix(conn: Conn, kind: str, dims: int) -> None:
    with pytest.raises(
        psycopg.errors.InvalidParameterValue, match=f"dims {dims} is outside 1 to 3"
    ) as caught:
        from_sql(conn, kind, [1, 2, 3], dims)
    assert "at most as long" in (caught.value.diag.message_hint or "")


@pytest.mark.parametrize("kind", ["vector", "halfvec"])
def test_null_gives_null(conn: Conn, kind: str) -> None:
    assert from_sql(conn, kind, None, 3) is None
    assert from_sql(conn, kind, [1, 2], None) is None


FIXED = ["search_path=pg_catalog, pg_temp"]
"""plpgsql binds no names at creation: its search path is fixed instead."""

CALLERS_PATH = {
    *(
        "_begin",
        "_count_passing",
        "_draw_queries",
        "_exact_times",
        "_enter",
        "_finish",
        "_all_rotated",
        "_measure",
        "_parts_of",
        "part_of",
        "_query_shares",
        "_read_vectors",
        "_rotated",
        "_share",
        "_table_of",
        "_trigger_expression",
        "_truth",
        "_walk",
        "calibrate",
        "check_plan",
        "recall",
    ),
    *("hybrid", "keep_distance", "keep_query", "search", "search_keys", "search_many"),
    "search_words",
    # filling a column runs the triggers of the table
    *("create_index", "fill_short_column", "_fill_next"),
}
"""plpgsql, too, with names in full: run at each search, or for the caller's path."""

FORMATTING = {"_check_layout", "_function_name", "_names"}
"""Stable only because format() is; they ask no catalog."""

IN_WRITTEN_ORDER = {"_short_indexes": [*FIXED, "join_collapse_limit=1"]}
"""With one setting more, because to plan other orders takes longer than to run."""

NOT_BOUND = {"_is_kept_prefix", "_short_expression", "_trigger_expression"}
"""So that the planner leaves it out of a search that needs none."""


def labels(conn: Conn) -> list[tuple[str, str, str, bool, bool, list[str] | None]]:
    """Of every function: name, volatility, parallel, strict, bound body, settings."""
    return conn.execute(
        "select proname, provolatile, proparallel, proisstrict, "
        "prosqlbody is not null, proconfig from pg_proc "
        "where pronamespace = 'mrl'::regnamespace order by proname, oid"
    ).fetchall()


def test_labels_tell_the_truth(conn: Conn) -> None:
    assert [row for row in labels(conn) if not row[0].startswith("_")] == [
        ("calibrate", "v", "u", False, False, None),
        ("check_owner", "s", "u", False, False, FIXED),
        ("check_plan", "v", "u", False, False, None),
        ("create_index", "v", "u", False, False, None),
        ("create_index_sql", "s", "u", False, False, FIXED),
        ("create_search_function", "v", "u", False, False, FIXED),
        ("doctor", "v", "u", False, False, FIXED),
        ("drop_index", "v", "u", False, False, FIXED),
        ("fill_short_column", "v", "u", False, False, None),
        ("forget_queries", "v", "u", False, False, FIXED),
        ("hybrid", "v", "u", False, False, None),
        ("in_use_column", "s", "u", True, False, FIXED),
        ("index_bytes", "s", "s", True, True, None),
        ("keep_as_sql", "s", "u", False, False, FIXED),
        ("keep_distance", "v", "u", False, False, None),
        ("keep_query", "v", "u", False, False, None),
        ("kept_queries", "v", "u", False, False, FIXED),
        ("maintenance", "s", "u", False, False, FIXED),
        ("misplaced_rows", "v", "u", False, False, FIXED),
        ("nearest_parts", "s", "u", False, False, FIXED),
        ("part_of", "s", "u", False, False, None),
        ("parts_sql", "s", "u", False, False, FIXED),
        ("preflight", "v", "u", False, False, FIXED),
        ("recall", "v", "u", False, False, None),
        ("refuse_dims", "i", "s", False, False, FIXED),
        ("register", "v", "u", False, False, FIXED),
        ("rename_rotation", "v", "u", False, False, FIXED),
        ("repair_sql", "s", "u", False, False, FIXED),
        ("rotate", "s", "u", True, False, FIXED),
        ("sample_distances", "v", "u", False, False, FIXED),
        ("sample_queries", "v", "u", False, False, FIXED),
        ("search", "v", "u", False, False, None),
        ("search_keys", "v", "u", False, False, None),
        ("search_many", "v", "u", False, False, None),
        ("search_sql", "s", "u", False, False, FIXED),
        ("search_words", "v", "u", False, False, None),
        ("set_model", "v", "u", False, False, FIXED),
        ("set_parts", "v", "u", False, False, FIXED),
        ("set_rotation", "v", "u", False, False, FIXED),
        ("set_tenants", "v", "u", False, False, FIXED),
        ("status", "s", "u", False, False, FIXED),
        ("stop_rotating", "v", "u", False, False, FIXED),
        ("switch_column", "v", "u", False, False, FIXED),
        ("switch_index", "v", "u", False, False, FIXED),
        ("tenant_recall", "v", "u", False, False, FIXED),
        ("tenants_sql", "s", "u", False, False, FIXED),
        ("truncate", "i", "s", True, True, None),
        ("truncate", "i", "s", True, True, None),
        ("unregister", "v", "u", False, False, FIXED),
        ("unrotate", "s", "u", True, False, FIXED),
        ("version", "i", "s", False, True, None),
    ]


def test_internal_functions_are_bound_and_labelled(conn: Conn) -> None:
    changing = set()
    for name, volatile, parallel, _, bound, path in labels(conn):
        fixed = IN_WRITTEN_ORDER.get(name, FIXED)
        assert path == (None if bound or name in CALLERS_PATH else fixed), name
        # what only counts may run in a worker; what asks the catalogs is asked once
        computes = volatile == "i" or bound or name in FORMATTING | NOT_BOUND
        assert parallel == ("s" if computes else "u"), name
        if volatile == "v":
            changing.add(name)
    assert {name for name in changing if name.startswith("_")} == {
        "_add_kept_column",
        "_choice_now",
        "_created",
        "_end_batch",
        "_fill_next",
        "_forget_tenant",
        "_know_tenant",
        "_ails_plan",
        "_ails_statements",
        "_ails_vectors",
        "_begin",
        "_build_size",
        "_build_workers",
        "_claim",
        "_claim_sampling",
        "_count_passing",
        "_count_vectors",
        "_distance_us",
        "_draw_queries",
        "_drop_room",
        "_check_graph",
        "_enter",
        "_exact_times",
        "_finish",
        "_follow",
        "_follow_rotations",
        "_grant",
        "_graph_recall",
        "_keep_calibration",
        "_keep_measurement",
        "_keep_room",
        "_keep_tenant_recall",
        "_make_keeper",
        "_link_rotated",
        "_make_room",
        "_make_tenant_function",
        "_measure",
        "_put_in_slot",
        "_queries_or_kept",
        "_query_shares",
        "_read_vectors",
        "_ms_since",
        "_other_indexes",
        "_remove",
        "_rows_to_measure",
        # explain, and settings, are no queries
        "_share",
        "_standby_lag",
        "_swap_kept",
        "_sweep",
        "_take_distance",
        "_take_query",
        "_truth",
        "_turn_row",
        "_unlink_rotated",
        "_waits_for",
        "_walk",
        "_warn_cut_short",
    }


def test_nothing_immutable_formats(conn: Conn) -> None:
    rows = conn.execute(
        "select proname from pg_proc where pronamespace = 'mrl'::regnamespace "
        "and provolatile = 'i' and pg_get_functiondef(oid) ~ '[^_]format\\('"
    )
    assert rows.fetchall() == []


def test_only_what_mrl_keeps_is_written_with_its_owners_rights(conn: Conn) -> None:
    definer = conn.execute(
        "select proname from pg_proc where pronamespace = 'mrl'::regnamespace "
        "and prosecdef order by proname"
    )
    assert [name for (name,) in definer] == [
        *("_claim", "_drifted", "_keep_room", "_remove", "_sweep"),
        *("_take_distance", "_take_query"),
    ]


@pytest.mark.parametrize("slots", ["{}", '{"b": "x"}', '{"a": null, "b": "x"}'])
def test_a_slot_that_nothing_was_given_for_is_refused(conn: Conn, slots: str) -> None:
    render = "select mrl._render('{b}{a}', %s)"
    assert conn.execute(render, ['{"a": "1", "b": "{a}"}']).fetchone() == ("{a}1",)
    with pytest.raises(psycopg.errors.RaiseException, match="no value was given for"):
        conn.execute(render, [slots])


def test_every_object_is_commented(conn: Conn) -> None:
    silent = conn.execute(
        "select proname from pg_proc where pronamespace = 'mrl'::regnamespace "
        "and proname !~ '^_' and obj_description(oid, 'pg_proc') is null "
        "union all select relname from pg_class "
        "where relnamespace = 'mrl'::regnamespace and relkind not in ('i', 't') "
        "and obj_description(oid, 'pg_class') is null "
        "union all select 'column ' || attname from pg_attribute "
        "where attrelid = 'mrl._registry'::regclass and attnum > 8 "
        "and not attisdropped and col_description(attrelid, attnum) is null "
        "union all select nspname from pg_namespace "
        "where nspname = 'mrl' and obj_description(oid, 'pg_namespace') is null"
    )
    assert silent.fetchall() == []


def test_an_ordinary_role_may_use_it_all(conn: Conn) -> None:
    conn.execute("create role functions_reader")
    conn.execute("set role functions_reader")
    try:
        assert from_sql(conn, "vector", [3, 4], 2) == pytest.approx([0.6, 0.8])
        assert from_sql(conn, "halfvec", [0, 2], 2) == [0, 1]
        assert conn.execute("select mrl.version()").fetchone() is not None
        size = conn.execute("select mrl.index_bytes('pg_class_oid_index'::regclass)")
        assert size.fetchall()[0][0] > 0
        assert conn.execute("select * from mrl.indexes").fetchall() == []
        denied = conn.execute(
            "select proname from pg_proc where pronamespace = 'mrl'::regnamespace "
            "and not has_function_privilege(oid, 'execute')"
        )
        assert denied.fetchall() == []
    finally:
        conn.execute("reset role")
        conn.execute("drop role functions_reader")


@pytest.mark.parametrize("kind", ["vector", "halfvec", "bit"])
@pytest.mark.parametrize("full_type", ["vector", "halfvec"])
def test_a_short_column_holds_what_numpy_says(
    conn: Conn, kind: Kind, full_type: str
) -> None:
    full = np.random.default_rng(1).standard_normal((20, 7)).astype(DTYPES[full_type])
    full[3] = 0
    full[4] = [0, -0.0, 1e-7, -1e-7, 0, 0, 1]
    full[5] = [-0.0, -0.0, -0.0, 0, 0, 1, 1]
    conn.execute(
        sql.SQL("create table docs (id int primary key, embedding {}(7))").format(
            sql.Identifier(full_type)
        )
    )
    for i, row in enumerate(full):
        conn.execute("insert into docs values (%s, %s::real[])", [i, row.tolist()])
    conn.execute("insert into docs values (99, null)")
    index = MatryoshkaIndex("docs", "embedding", dims=5, kind=kind)
    index.create(conn)
    out = sql.SQL("text" if kind == "bit" else "real[]")
    rows = conn.execute(
        sql.SQL("select {}::{} from docs order by id").format(
            sql.Identifier(index.short), out
        )
    ).fetchall()
    assert rows.pop() == (None,)
    if kind == "bit":
        bits = np.packbits(full[:, :5] > 0, axis=1)
        answer = [[int(bit) for bit in row[0]] for row in rows]
        np.testing.assert_array_equal(np.packbits(answer, axis=1), bits)
    else:
        wanted = truncate(full, 5).astype(DTYPES[kind])
        got = np.array([row[0] for row in rows], dtype=DTYPES[kind])
        np.testing.assert_array_max_ulp(got, wanted, maxulp=1)


def test_your_own_column_survives_dump_and_restore(
    conn: Conn, database: str, bare_database: str, pg_server: EmbeddedServer
) -> None:
    conn.execute(
        "create table notes (id int primary key, embedding vector(4), short halfvec(2) "
        "generated always as (mrl.truncate(embedding, 2)::halfvec(2)) stored)"
    )
    conn.execute(
        "insert into notes values (1, '[3,4,0,9]'), (2, null), (3, '[0,0,1,1]')"
    )
    MatryoshkaIndex("notes", "embedding", dims=3).create(conn)
    everything = "select * from notes order by id"
    before = conn.execute(everything).fetchall()
    programs = server.bin_dir(pg_server.version)
    dump = subprocess.run(
        [programs / "pg_dump", database], check=True, capture_output=True
    ).stdout
    subprocess.run(
        [programs / "psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", bare_database],
        input=dump,
        check=True,
        capture_output=True,
    )
    with psycopg.connect(bare_database, autocommit=True) as restored:
        assert restored.execute(everything).fetchall() == before
        restored.execute("insert into notes values (4, '[0,5,0,0]')")
        short = restored.execute("select short::text from notes where id = 4")
        assert short.fetchone() == ("[0,1]",)
        known = restored.execute("select table_name::text, usable from mrl.indexes")
        assert known.fetchall() == [("notes", True)]
