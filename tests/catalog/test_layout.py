"""The description of a short column: names, operators, and what is refused."""

import dataclasses
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mrl_pg import InvalidSetting, MatryoshkaIndex
from mrl_pg.kinds import Distance, Kind
from mrl_pg.layout import NAME_BYTES, IndexLayout, fit

NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1).map(
    lambda text: text.encode()[:NAME_BYTES].decode(errors="ignore")
)


def layout(table: str = "docs", column: str = "embedding", **more: Any) -> IndexLayout:
    return IndexLayout(table, column, **{"dims": 256, **more})


def test_names_are_derived() -> None:
    index = layout(kind="bit", distance="l2")
    assert index.short == "embedding_256_bit"
    assert index.name == "docs_embedding_256_bit_l2_hnsw"


def test_names_that_are_given_stay() -> None:
    index = layout(short="Mine", name="my index", schema="a.b")
    assert (index.short, index.name, index.schema) == ("Mine", "my index", "a.b")
    assert layout(short="mine").name == "docs_mine_cosine_hnsw"


def test_defaults_are_said_once() -> None:
    index = layout()
    assert (index.kind, index.distance, index.m, index.ef_construction) == (
        "halfvec",
        "cosine",
        16,
        64,
    )


@settings(max_examples=50)
@given(NAMES, NAMES, st.sampled_from(["vector", "halfvec", "bit"]))
def test_any_name_leads_to_names_that_postgresql_keeps(
    table: str, column: str, kind: Kind
) -> None:
    index = layout(table, column, kind=kind)
    for name in (index.short, index.name):
        assert 0 < len(name.encode()) <= NAME_BYTES
    assert index.short.endswith(f"_256_{kind}")
    assert index.name.endswith("_cosine_hnsw")
    assert index == layout(table, column, kind=kind)


@given(st.text(min_size=40), st.text(min_size=40))
def test_long_names_that_differ_stay_apart(one: str, other: str) -> None:
    suffix = "_64000_halfvec_cosine_hnsw"
    assert (fit(one, suffix) == fit(other, suffix)) == (one == other)


def test_names_are_cut_between_characters() -> None:
    long = "é" * 31
    one, other = fit(long + "a", "_256_bit"), fit(long + "b", "_256_bit")
    assert one != other
    for name in (one, other):
        assert len(name.encode()) in (NAME_BYTES - 1, NAME_BYTES)
        assert name.startswith("é" * 20)
        assert name.endswith("_256_bit")


def test_a_name_that_fits_exactly_is_not_cut() -> None:
    assert fit("a" * 55, "_256_bit") == "a" * 55 + "_256_bit"
    assert fit("a" * 56, "_256_bit") != "a" * 56 + "_256_bit"


def test_tables_with_the_same_beginning_get_different_indexes() -> None:
    first = layout("t" * 62 + "1", "c" * 63)
    second = layout("t" * 62 + "2", "c" * 63)
    assert first.short == second.short
    assert first.name != second.name


@pytest.mark.parametrize(
    ("kind", "distance", "operator", "short_operator", "operator_class"),
    [
        ("vector", "cosine", "<=>", "<=>", "vector_cosine_ops"),
        ("vector", "l2", "<->", "<->", "vector_l2_ops"),
        ("vector", "ip", "<#>", "<#>", "vector_ip_ops"),
        ("halfvec", "cosine", "<=>", "<=>", "halfvec_cosine_ops"),
        ("halfvec", "l2", "<->", "<->", "halfvec_l2_ops"),
        ("halfvec", "ip", "<#>", "<#>", "halfvec_ip_ops"),
        ("bit", "cosine", "<=>", "<~>", "bit_hamming_ops"),
        ("bit", "l2", "<->", "<~>", "bit_hamming_ops"),
        ("bit", "ip", "<#>", "<~>", "bit_hamming_ops"),
    ],
)
def test_operators(
    kind: Kind,
    distance: Distance,
    operator: str,
    short_operator: str,
    operator_class: str,
) -> None:
    index = layout(kind=kind, distance=distance)
    assert index.operator == operator
    assert index.short_operator == short_operator
    assert index.operator_class == operator_class


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"kind": "sparsevec"}, "kind='sparsevec' is unknown: .*'halfvec', 'bit'"),
        ({"kind": None}, "kind=None is unknown"),
        ({"distance": "l1"}, "distance='l1' is unknown: .*'cosine', 'l2', 'ip'"),
        ({"dims": 0}, "dims=0 is outside 1 to 4000"),
        ({"dims": -5}, "dims=-5 is outside"),
        ({"dims": 2001, "kind": "vector"}, "dims=2001 is outside 1 to 2000"),
        ({"dims": 4001, "kind": "halfvec"}, "dims=4001 is outside 1 to 4000"),
        ({"dims": 64001, "kind": "bit"}, "dims=64001 is outside 1 to 64000"),
        ({"dims": 256.0}, "dims=256.0 is not a whole number"),
        ({"dims": True}, "dims=True is not a whole number"),
        ({"dims": "256"}, "dims='256' is not a whole number"),
        ({"m": 1}, "m=1 is outside 2 to 100"),
        ({"m": 101, "ef_construction": 500}, "m=101 is outside 2 to 100"),
        ({"ef_construction": 3}, "ef_construction=3 is outside 4 to 1000"),
        ({"ef_construction": 1001}, "ef_construction=1001 is outside"),
        (
            {"m": 40, "ef_construction": 79},
            "ef_construction=79 is below twice m=40: .*raise ef_construction",
        ),
        ({"table": ""}, "table='' is not a name: give a non-empty string"),
        ({"column": ""}, "column='' is not a name"),
        ({"table": None}, "table=None is not a name"),
        ({"column": None}, "column=None is not a name"),
        ({"column": 7}, "column=7 is not a name"),
        ({"table": "a\0b"}, "table=.* is not a name"),
        ({"short": "a\0b"}, "short=.* is not a name"),
        ({"table": "t" * 64}, "table=.* is 64 bytes long: PostgreSQL cuts names at 63"),
        ({"column": "é" * 32}, "column=.* is 64 bytes long"),
        ({"schema": "s" * 64}, "schema=.* is 64 bytes long"),
        ({"short": "s" * 64}, "short=.* is 64 bytes long"),
        ({"short": "\udcff"}, "short=.* is not valid text"),
        ({"name": "\udcff"}, "name=.* is not valid text"),
        ({"name": "n" * 64}, "name=.* is 64 bytes long.*give the name it stored"),
        ({"short": "embedding"}, "short='embedding' is the full column itself"),
    ],
)
def test_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidSetting, match=message):
        layout(**fields)


@pytest.mark.parametrize(
    ("kind", "dims"), [("vector", 2000), ("halfvec", 4000), ("bit", 64000)]
)
def test_the_limits_themselves_are_taken(kind: Kind, dims: int) -> None:
    assert layout(kind=kind, dims=dims).dims == dims
    assert layout(m=100, ef_construction=1000).m == 100
    assert layout(m=2, ef_construction=4).m == 2


def test_a_layout_is_a_value() -> None:
    one, other = (MatryoshkaIndex("docs", "embedding", dims=8) for _ in range(2))
    assert one == other
    assert hash(one) == hash(other)
    assert len({one, other, dataclasses.replace(one, dims=9, short="", name="")}) == 2
    with pytest.raises(dataclasses.FrozenInstanceError):
        one.dims = 9  # type: ignore[misc]


def test_text_of_other_classes_is_plain_text_in_it() -> None:
    odd: Any = {"kind": np.str_("bit"), "schema": np.str_("app")}
    index = MatryoshkaIndex(np.str_("docs"), np.str_("embedding"), dims=8, **odd)
    plain = MatryoshkaIndex("docs", "embedding", dims=8, kind="bit", schema="app")
    # a revision holds what this writes
    assert repr(index) == repr(plain)
    assert index == plain


def test_it_says_what_it_is() -> None:
    assert str(layout()) == "docs.embedding → 256 halfvec (cosine)"
    assert str(layout(schema="app")) == "app.docs.embedding → 256 halfvec (cosine)"
