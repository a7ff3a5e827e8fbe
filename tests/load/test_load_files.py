"""Files in the shapes that people have: loaded, or refused with a way out."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as arrow
import pytest
from support.command import mrl_pg
from support.databases import Conn, connection_fixture
from support.load_files import (
    BASE64,
    BATCHES,
    CSV,
    LINES,
    LOADED,
    MATRIX,
    REFUSED,
    STORED,
    VECTORS,
    WIDE,
    archive,
    json_lines,
    saved,
    table,
    write,
)
from support.loads import empty, refused, texts, types

from mrl_pg.errors import InvalidFile, InvalidSetting
from mrl_pg.load import load

database_of_module = connection_fixture()


@pytest.fixture
def conn(database_of_module: Conn) -> Conn:
    empty(database_of_module)
    return database_of_module


@pytest.mark.parametrize("name", LOADED)
def test_loaded(conn: Conn, tmp_path: Path, name: str) -> None:
    data, options = LOADED[name]
    report = load(conn, write(tmp_path / name, data), "docs", **options)
    assert (report.rows, report.dims) == (2, 3)
    assert texts(conn, "embedding") == STORED


def test_what_is_left_out_is_named(conn: Conn, tmp_path: Path) -> None:
    for name, note in [
        ("metadata.npz", "left out of metadata.npz: model, dim (single values"),
        ("several.npz", "left out of several.npz: queries (single values and other"),
        ("pandas.csv", "left out: the first column, which has no name"),
    ]:
        data, options = LOADED[name]
        report = load(conn, write(tmp_path / name, data), "docs", **options)
        assert len(report.notes) == 1
        assert report.notes[0].startswith(note)
        assert str(report).endswith(report.notes[0])
        empty(conn)


def test_a_batch_gives_its_other_keys_but_not_the_vectors_again(
    conn: Conn, tmp_path: Path
) -> None:
    failed = {"custom_id": "doc-2", "response": None, "error": {"code": "x"}}
    path = write(tmp_path / "batch.jsonl", BATCHES + json_lines(failed))
    report = load(
        conn,
        path,
        "docs",
        vectors="response.body.data.0.embedding",
        key="custom_id",
        block_rows=2,
    )
    assert report.null_vectors == 1
    assert types(conn) == {
        "custom_id": "text",
        "id": "text",
        "embedding": "vector(3)",
        "error": "jsonb",
    }
    assert texts(conn, "custom_id", "error")[1:] == [
        ("doc-1", None),
        ("doc-2", '{"code": "x"}'),
    ]
    empty(conn)
    paths = ["response.body.model", "response.status_code"]
    load(
        conn,
        path,
        "docs",
        vectors="response.body.data.0.embedding",
        key="custom_id",
        columns=paths,
    )
    assert texts(conn, "custom_id", "model", "status_code")[0] == ("doc-0", "m", "200")
    assert len(types(conn)) == 4


def test_columns_and_skip_choose(conn: Conn, tmp_path: Path) -> None:
    row = {"id": 1, "embedding": [1], "title": "t", "meta_a": 1, "meta_b": 2, "x": 3}
    path = write(tmp_path / "d.jsonl", json_lines(row))
    for columns, skip, expected in [
        ([], ["meta_*", "x"], "id embedding title"),
        (["title"], [], "id embedding title"),
        (["meta_*"], ["meta_b"], "id embedding meta_a"),
        (["[xt]*"], ["id"], "id embedding title x"),
    ]:
        load(conn, path, "docs", columns=columns, skip=skip)
        assert sorted(types(conn)) == sorted(expected.split())
        empty(conn)


@pytest.mark.parametrize("suffix", ["jsonl", "csv", "npz", "parquet"])
def test_a_pattern_of_no_column_is_named(
    conn: Conn, tmp_path: Path, suffix: str
) -> None:
    files: dict[str, str | bytes] = {
        "jsonl": LINES,
        "csv": CSV,
        "npz": archive(embedding=MATRIX, id=[1, 2]),
        "parquet": saved(table(VECTORS)),
    }
    path = write(tmp_path / f"d.{suffix}", files[suffix])
    for options in ({"columns": ["titel"]}, {"skip": ["titel*"]}):
        assert "'titel" in refused(conn, path, **options)
    assert load(conn, path, "docs", skip=["id"], columns=["i?"]).rows == 2


def test_two_columns_of_one_name(conn: Conn, tmp_path: Path) -> None:
    path = write(tmp_path / "d.jsonl", json_lines({"a": {"e": [1]}, "e": 1}))
    assert "name the vectors' column with column=" in refused(
        conn, path, column="e", vectors="a.e"
    )
    load(conn, path, "docs", column="v", vectors="a.e")
    assert set(types(conn)) == {"id", "e", "v"}
    same = saved(arrow.Table.from_arrays([arrow.array(VECTORS)] * 2, ["e", "e"]))
    twice = write(tmp_path / "twice.parquet", same)
    empty(conn)
    assert "column 'e' occurs twice" in refused(conn, twice, column="e")


def test_dimensions_of_their_own_columns(conn: Conn, tmp_path: Path) -> None:
    path = write(tmp_path / "d.csv", WIDE + "3,,,\n")
    report = load(conn, path, "docs", column="v", vectors="dim_*")
    assert (report.null_vectors, set(types(conn))) == (1, {"id", "v"})
    empty(conn)
    for row, why in [
        ("3,1,,1", "row 4: column 'dim_10': is empty"),
        ("3,1,x,1", "row 4: column 'dim_10': 'x' is not a number"),
    ]:
        write(path, WIDE + row)
        assert why in refused(conn, path, vectors="dim_*")
    numbers = {f"d{i}": MATRIX[:, i] for i in (2, 0, 1)}
    write(tmp_path / "d.parquet", saved(arrow.table(numbers)))
    load(conn, tmp_path / "d.parquet", "docs", vectors="d[0-9]")
    assert texts(conn, "embedding") == STORED


@pytest.mark.parametrize(
    "kind",
    ["float16", "float32", "float64", "float16be", "float32be", "float64be", "int8"],
)
def test_vectors_as_bytes(conn: Conn, tmp_path: Path, kind: Any) -> None:
    wire = np.dtype(kind.removesuffix("be")).newbyteorder("><"[kind[-2:] != "be"])
    raw = [v.astype(wire).tobytes() for v in np.rint(MATRIX)]
    path = write(tmp_path / "d.parquet", saved(table(raw)))
    load(conn, path, "docs", vector_bytes=kind)
    assert texts(conn, "embedding") == [("[2,2,3]",), ("[4,5,6]",)]


def test_bytes_that_are_no_vectors(conn: Conn, tmp_path: Path) -> None:
    for value, why in [
        ("AAA", "row 1: Incorrect padding"),
        ("é", "row 1: string argument should contain only ASCII"),
        ("AAAA", "row 1: 3 bytes are not a whole number of float32 values"),
        ([1], "row 1: [1] is neither bytes nor base64 text"),
    ]:
        path = write(tmp_path / "d.jsonl", json_lines({"embedding": value}))
        assert why in refused(conn, path, vector_bytes="float32")


@pytest.mark.parametrize("name", REFUSED)
def test_refused(conn: Conn, tmp_path: Path, name: str) -> None:
    data, why = REFUSED[name]
    said = refused(conn, write(tmp_path / name, data))
    assert why in said
    assert "allow_pickle" not in said


def test_paths_that_are_no_files(conn: Conn, tmp_path: Path) -> None:
    (tmp_path / "loop.npy").symlink_to("loop.npy")
    os.mkfifo(tmp_path / "pipe.npy")
    for path, why in [
        (tmp_path, "is a folder: name a file in it"),
        (tmp_path / "missing.npy", "does not exist or is not a file"),
        (tmp_path / "loop.npy", "does not exist or is not a file"),
        (tmp_path / "pipe.npy", "does not exist or is not a file"),
        ("/dev/null", "does not exist or is not a file"),
        ("a\0.npy", "does not exist or is not a file"),
        ("x" * 300 + ".npy", "cannot be read: File name too long"),
        (5, "5 is not the path of a file"),
        (None, "None is not the path of a file"),
        (b"x.npy", "is not the path of a file"),
    ]:
        with pytest.raises(InvalidFile, match=why.replace("(", r"\(")):
            load(conn, path, "docs")  # type: ignore[arg-type]


def test_a_file_that_may_not_be_read(
    conn: Conn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # root reads everything: the error is made, as the system makes it for others
    def denied(*_: Any, **__: Any) -> None:
        raise PermissionError(13, "Permission denied")

    path = write(tmp_path / "d.jsonl", LINES)
    monkeypatch.setattr(Path, "open", denied)
    assert "cannot be read: Permission denied" in refused(conn, path)


def test_settings_of_a_file_are_checked(conn: Conn, tmp_path: Path) -> None:
    path = write(tmp_path / "d.csv", CSV)
    cases: list[tuple[dict[str, Any], str]] = [
        ({"delimiter": ";;"}, "delimiter=';;' must be one character"),
        ({"delimiter": ""}, "must be one character"),
        ({"encoding": "klingon"}, "encoding='klingon' is not known"),
        ({"columns": "title"}, "columns='title' is one string"),
        ({"skip": [1]}, "skip has 1, which is not a name"),
        ({"skip": 5}, "skip=5 is no list"),
        ({"column": None}, "column=None is not text"),
        ({"key": b"id"}, "key=b'id' is not text"),
        ({"vectors": ["embedding"]}, "vectors=.* is not text"),
        ({"delimiter": 5}, "delimiter=5 is not text"),
        ({"encoding": b"utf8"}, "encoding=b'utf8' is not text"),
        ({"header": "no"}, "header='no' is neither True nor False"),
        ({"schema": {}}, "schema={} is not a name"),
        ({"kind": []}, "kind=\\[\\] is unknown"),
        ({"block_rows": "5"}, "block_rows='5' is not a whole number"),
        ({"vector_bytes": "bfloat16"}, "choose one of 'float16', 'float32'"),
        ({"column": "x" * 64}, "has 64 bytes"),
    ]
    for options, why in cases:
        with pytest.raises((InvalidSetting, InvalidFile), match=why):
            load(conn, path, "docs", **options)


def test_the_command_takes_it_all(conn: Conn, tmp_path: Path) -> None:
    path = write(tmp_path / "d.csv", f"k\ta\tb\tv\n1\t2\t3\t{BASE64[0]}\n")
    options = ["--vectors", "v", "--key", "k"]
    options += ["--delimiter", r"\t", "--vector-bytes", "float32", "--skip", "b"]
    options += ["--encoding", "latin-1", "--columns", "a,b", "--dsn", conn.info.dsn]
    done = mrl_pg("load", path, "docs", "embedding", *options)
    assert done.returncode == 0, done.stderr
    assert set(types(conn)) == {"k", "a", "embedding"}
    assert texts(conn, "embedding") == STORED[:1]
    done = mrl_pg("load", path, "docs", "embedding", "--no-header", *options)
    assert (done.returncode, done.stdout) == (2, "")
    assert "Traceback" not in done.stderr
