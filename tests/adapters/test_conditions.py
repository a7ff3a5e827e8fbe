"""Conditions on metadata: what each operator lets through, compared with Python."""

from collections.abc import Iterator
from datetime import date
from typing import Any

import pytest
from support.databases import Conn

from mrl_pg.adapters.conditions import (
    Combination,
    Comparison,
    Condition,
    Operator,
    Part,
)
from mrl_pg.adapters.documents import Documents, DocumentTable, StoredDocument
from mrl_pg.errors import InvalidFilter, InvalidSetting

METADATA: dict[str, dict[str, Any]] = {
    "a": {"lang": "en", "year": 2020, "tags": ["x", "y"], "open": True},
    "b": {"lang": "de", "year": 2020.5, "tags": ["y"], "by": {"name": "Ä%"}},
    "c": {"lang": None, "year": "2021", "tags": [], "open": False},
    "d": {"lang": "", "year": -3, "day": "2024-05-01", "by": {"name": "b_c"}},
    "e": {},
}

Case = tuple[str, Operator, Any, str]

CASES: list[Case] = [
    ("lang", "=", "en", "a"),
    ("lang", "=", None, "ce"),
    ("lang", "<>", "en", "bcde"),
    ("lang", "<>", None, "abd"),
    ("lang", "one of", ["en", "de"], "ab"),
    ("lang", "one of", [], ""),
    ("lang", "none of", ["en", "de"], "cde"),
    ("lang", "missing", None, "ce"),
    ("lang", "there", None, "abd"),
    ("lang", "empty", None, "cde"),
    ("lang", ">", "de", "a"),
    ("lang", "<=", "de", "bd"),
    ("lang", ">", None, ""),
    ("year", "=", 2020, "a"),
    ("year", "=", 2020.0, "a"),
    ("year", "=", "2021", "c"),
    ("year", ">", 2020, "b"),
    ("year", ">=", 2020, "ab"),
    ("year", "<", 2020, "d"),
    ("year", "<", "3", "c"),
    ("open", "=", True, "a"),
    ("open", "<>", True, "bcde"),
    ("open", "=", 1, ""),
    ("tags", "=", ["x", "y"], "a"),
    ("tags", "holds", "y", "ab"),
    ("tags", "holds all", ["x", "y"], "a"),
    ("tags", "holds any", ["x", "z"], "a"),
    ("tags", "holds any", [], ""),
    ("tags", "empty", None, "cde"),
    ("day", ">=", date(2024, 1, 1), "d"),
    ("by.name", "=", "b_c", "d"),
    ("by.name", "like", "b\\_%", "d"),
    ("by.name", "any case like", "B%", "d"),
    ("by.name", "within", "%", "b"),
    ("by.name", "any case within", "B_", "d"),
    ("by", "=", {"name": "b_c"}, "d"),
]


@pytest.fixture
def documents(conn: Conn) -> Iterator[Documents]:
    made = Documents(conn, DocumentTable(table="notes 50%", columns=["kind", "size"]))
    yield made


@pytest.fixture
def filled(conn: Conn, documents: Documents) -> Documents:
    conn.execute(
        'create table "notes 50%" (id text primary key, text text, embedding vector(2),'
        " metadata jsonb, kind text, size numeric)"
    )
    rows = [StoredDocument(key, key, m, [1.0, 2.0]) for key, m in METADATA.items()]
    documents.carry_out(lambda c: documents.add(c, rows))
    conn.execute("""update "notes 50%" set kind = 'k' || id, size = ascii(id) - 97""")
    conn.execute("""update "notes 50%" set kind = null where id = 'e'""")
    return documents


def keys(documents: Documents, condition: Condition) -> str:
    found = documents.carry_out(lambda conn: documents.read(conn, condition))
    counted = documents.carry_out(lambda conn: documents.count(conn, condition))
    assert counted == len(found)
    nearest = documents.carry_out(
        lambda conn: documents.nearest(conn, [1.0, 2.0], 10, condition, {})
    )
    assert {each.document.key for each in nearest} == {each.key for each in found}
    return "".join(each.key for each in found)


def test_every_operator(filled: Documents) -> None:
    for path, operator, value, expected in CASES:
        asked = Comparison(tuple(path.split(".")), operator, value)
        assert keys(filled, asked) == expected, (path, operator, value)
        opposite = "".join(sorted(set("abcde") - set(expected)))
        assert keys(filled, Combination("not", (asked,))) == opposite


def test_columns_of_the_table(filled: Documents) -> None:
    cases: list[Case] = [
        ("kind", "=", "ka", "a"),
        ("kind", "=", None, "e"),
        ("kind", "<>", "ka", "bcde"),
        ("kind", "one of", ["ka", "kb"], "ab"),
        ("kind", "none of", ["ka", "kb"], "cde"),
        ("kind", "missing", None, "e"),
        ("kind", "like", "_b", "b"),
        ("kind", "within", "a", "a"),
        ("kind", "empty", None, "e"),
        ("size", ">=", 2, "cde"),
        ("size", "=", "1", "b"),
        ("size", ">", None, ""),
        ("size", "one of", [0, 4], "ae"),
    ]
    for path, operator, value, expected in cases:
        found = keys(filled, Comparison((path,), operator, value))
        assert found == expected, (path, operator, value)


def test_key_and_text_of_a_document(filled: Documents) -> None:
    cases: list[tuple[Part, Operator, Any, str]] = [
        ("key", "one of", ["a", "c", "x"], "ac"),
        ("key", "none of", ["a", "c"], "bde"),
        ("text", "=", "b", "b"),
        ("text", "like", "_", "abcde"),
    ]
    for part, operator, value, expected in cases:
        asked = Comparison((part,), operator, value, part)
        assert keys(filled, asked) == expected, (part, operator, value)


def test_options_of_the_store_itself_are_refused(filled: Documents) -> None:
    def nearest(**options: Any) -> None:
        filled.carry_out(
            lambda conn: filled.nearest(conn, [1.0, 2.0], 1, None, options)
        )

    for option in ("k", "columns", "filter", "params"):
        with pytest.raises(InvalidSetting, match=f"{option}=None: the store itself"):
            nearest(**{option: None})


def test_conditions_combined(filled: Documents) -> None:
    english = Comparison(("lang",), "=", "en")
    german = Comparison(("lang",), "=", "de")
    assert keys(filled, Combination("or", (english, german))) == "ab"
    assert keys(filled, Combination("and", (english, german))) == ""
    assert keys(filled, Combination("and", ())) == "abcde"
    assert keys(filled, Combination("or", ())) == ""
    neither = Combination("not", (Combination("or", (english, german)),))
    assert keys(filled, neither) == "cde"


@pytest.mark.parametrize(
    ("path", "operator", "value", "said"),
    [
        ("lang", "one of", "en", "takes a list"),
        ("lang", ">", True, "only numbers and texts"),
        ("lang", ">", [1], "only numbers and texts"),
        ("lang", "like", 1, "give a text"),
        ("lang", "=", "\0", "NUL"),
        ("lang", "=", [{"a": "\0"}], "NUL"),
        ("lang", "=", float("nan"), "NaN"),
        ("lang", "=", object(), "hold no object"),
        ("la\0ng", "=", 1, "name of a field"),
        ("", "=", 1, "name of a field"),
        ("kind", "holds", "x", "metadata only"),
    ],
)
def test_refused(
    filled: Documents, path: str, operator: Operator, value: Any, said: str
) -> None:
    with pytest.raises(InvalidFilter, match=said):
        keys(filled, Comparison((path,), operator, value))


def test_a_value_of_another_type_than_its_column_is_refused(filled: Documents) -> None:
    asked = Comparison(("size",), "=", "many")
    with pytest.raises(InvalidFilter, match="numeric"):
        filled.carry_out(lambda conn: filled.read(conn, asked))
    with pytest.raises(InvalidFilter, match="numeric"):
        filled.carry_out(lambda conn: filled.nearest(conn, [1.0, 2.0], 3, asked, {}))
