"""What fields documents have, and changing them; in metadata and in columns."""

from typing import Any

import pytest
from support.databases import Conn

from mrl_pg.adapters import fields
from mrl_pg.adapters.conditions import Comparison
from mrl_pg.adapters.documents import Documents, DocumentTable, StoredDocument
from mrl_pg.errors import InvalidFilter, InvalidSetting

METADATA: list[dict[str, Any]] = [
    {"lang": "en", "year": 2, "share": 0.5, "same": 1, "by": {"name": "Ä"}},
    {"lang": "De", "year": 10, "share": 2, "same": 1.0, "by": {"name": "b"}},
    {"lang": "de", "year": -3, "tags": ["x"], "same": "1", "open": True},
    {"lang": "en", "year": None, "same": True, "odd %": None},
]


@pytest.fixture
def documents(conn: Conn) -> Documents:
    conn.execute(
        'create table "notes 50%" (id text primary key, text text, embedding vector(2),'
        ' metadata jsonb, "kind %" text, size numeric, day date)'
    )
    columns = ["kind %", "size", "day"]
    made = Documents(conn, DocumentTable(table="notes 50%", columns=columns))
    rows = [
        StoredDocument(
            str(number),
            f"text {number}",
            {
                **metadata,
                "kind %": "k",
                "size": number,
                "day": f"2024-05-0{number + 1}",
            },
        )
        for number, metadata in enumerate(METADATA)
    ]
    made.carry_out(lambda c: made.add(c, rows, size=2))
    return made


ENGLISH = Comparison(("lang",), "=", "en")


def test_types(conn: Conn, documents: Documents) -> None:
    found = documents.carry_out(lambda c: fields.field_types(documents, c))
    assert found == {
        "by": "object",
        "day": "text",
        "kind %": "text",
        "lang": "text",
        "open": "boolean",
        "same": "mixed",
        "share": "real",
        "size": "integer",
        "tags": "array",
        "year": "integer",
    }
    conn.execute('update "notes 50%" set metadata = null')
    table = DocumentTable(
        table="notes 50%", metadata=None, columns=["size"], make=False
    )
    other = Documents(conn, table)
    found = other.carry_out(lambda c: fields.field_types(other, c))
    assert found == {"size": "integer"}


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("year", (-3, 10)),
        ("share", (0.5, 2)),
        ("size", (0, 3)),
        ("day", ("2024-05-01", "2024-05-04")),
        # byte by byte
        ("lang", ("De", "en")),
        ("by.name", ("b", "Ä")),
        ("same", (None, None)),
        ("open", (None, None)),
        ("nothing", (None, None)),
    ],
)
def test_extremes(
    documents: Documents, path: str, expected: tuple[object, object]
) -> None:
    asked = tuple(path.split("."))
    assert expected == documents.carry_out(
        lambda c: fields.extremes(documents, c, asked)
    )


def values(documents: Documents, field: str, **options: Any) -> tuple[list[Any], int]:
    asked: dict[str, Any] = {
        "condition": None,
        "within": None,
        "first": 0,
        "most": 10,
        **options,
    }
    found = documents.carry_out(
        lambda c: fields.distinct_values(documents, c, tuple(field.split(".")), **asked)
    )
    return found.values, found.total


def test_distinct_values(documents: Documents) -> None:
    assert values(documents, "year") == ([-3, 2, 10], 3)
    assert values(documents, "year", first=1, most=1) == ([2], 3)
    assert values(documents, "year", first=9) == ([], 3)
    assert values(documents, "lang", within="E", condition=ENGLISH) == (["en"], 1)
    assert values(documents, "lang", within="d")[1] == 2
    # a piece of text, not a pattern
    assert values(documents, "kind %", within="%") == ([], 0)
    assert values(documents, "kind %") == (["k"], 1)
    assert values(documents, "size", condition=ENGLISH) == ([0, 3], 2)
    assert values(documents, "tags") == ([["x"]], 1)
    assert values(documents, "odd %") == ([], 0)
    same, total = values(documents, "same")
    assert total == 4 and [type(value) for value in same] == [str, int, float, bool]


def test_counts_of_distinct_values(documents: Documents) -> None:
    paths = [("same",), ("year",), ("kind %",), ("by", "name"), ("nothing",)]
    found = documents.carry_out(
        lambda c: fields.distinct_counts(documents, c, paths, None)
    )
    assert found == [4, 3, 1, 2, 0]
    found = documents.carry_out(
        lambda c: fields.distinct_counts(documents, c, paths, ENGLISH)
    )
    assert found == [2, 1, 1, 1, 0]
    assert (
        documents.carry_out(lambda c: fields.distinct_counts(documents, c, [], ENGLISH))
        == []
    )


def test_a_change(conn: Conn, documents: Documents) -> None:
    def change(metadata: dict[str, Any]) -> int:
        return documents.carry_out(
            lambda c: fields.change(documents, c, ENGLISH, metadata)
        )

    assert change({"lang": "fr", "by": {"x": 1}, "size": 7, "kind %": None}) == 2
    assert change({"lang": "fr"}) == 0
    found = documents.carry_out(lambda c: documents.read(c))
    day = [f"2024-05-0{number + 1}" for number in range(4)]
    assert [{**each.metadata, "day": str(each.metadata["day"])} for each in found] == [
        {
            **METADATA[number],
            "kind %": "k",
            "size": number,
            "day": day[number],
            **(
                {"lang": "fr", "by": {"x": 1}, "size": 7, "kind %": None}
                if METADATA[number]["lang"] == "en"
                else {}
            ),
        }
        for number in range(4)
    ]
    conn.execute('update "notes 50%" set metadata = null')
    everything = documents.carry_out(
        lambda c: fields.change(documents, c, None, {"new": [1]})
    )
    assert everything == 4
    assert values(documents, "new") == ([[1]], 1)


def test_what_does_not_fit_is_refused(documents: Documents) -> None:
    def refused(error: type[Exception], said: str, metadata: dict[str, Any]) -> None:
        with pytest.raises(error, match=said):
            documents.carry_out(lambda c: fields.change(documents, c, None, metadata))

    refused(
        InvalidSetting, "'lang' cannot be <object .* hold no object", {"lang": object()}
    )
    refused(InvalidSetting, "NaN", {"lang": [float("nan")]})
    refused(InvalidFilter, "numeric", {"size": "many"})
    table = DocumentTable(
        table="notes 50%", metadata=None, columns=["size"], make=False
    )
    bare = Documents(documents.connections._source, table)
    with pytest.raises(InvalidFilter, match="'lang' is no column of the table"):
        bare.carry_out(lambda c: fields.extremes(bare, c, ("lang",)))


def test_key_and_text(documents: Documents) -> None:
    def keys(asked: Comparison) -> list[str]:
        return [
            each.key for each in documents.carry_out(lambda c: documents.read(c, asked))
        ]

    assert keys(Comparison(("id",), "one of", ["1", "3"], "key")) == ["1", "3"]
    assert keys(Comparison(("id",), "<>", "1", "key")) == ["0", "2", "3"]
    assert keys(Comparison(("content",), "=", "text 2", "text")) == ["2"]
    assert keys(Comparison(("content",), "like", "%3", "text")) == ["3"]
    # names in the metadata are their own
    assert keys(Comparison(("id",), "=", "1")) == []


def test_without_a_table_there_is_nothing(conn: Conn) -> None:
    absent = Documents(conn, DocumentTable(table="absent"))
    assert absent.carry_out(lambda c: fields.field_types(absent, c)) == {}
    assert absent.carry_out(lambda c: fields.extremes(absent, c, ("x",))) == (
        None,
        None,
    )
    assert values(absent, "x") == ([], 0)
    assert absent.carry_out(lambda c: fields.change(absent, c, None, {"x": 1})) == 0
    assert absent.carry_out(
        lambda c: fields.distinct_counts(absent, c, [("x",)], None)
    ) == [0]
