"""Files of queries are read like files to load: the same formats, the same errors."""

import io
import json
from pathlib import Path

import numpy as np
import pytest
from support.load_files import LOADED, MATRIX, REFUSED, VECTORS, archive, array, write

from mrl_pg.errors import InvalidFile
from mrl_pg.load.vectors import read_vectors

FILES: dict[str, str | bytes] = {
    "q.npy": array(MATRIX),
    "whole.npy": array(np.rint(MATRIX[0]).astype(int)),
    "one.npy": array(MATRIX[0]),
    "q.npz": archive(anything=MATRIX),
    "one.json": json.dumps(VECTORS[0]),
    "q.json": json.dumps(VECTORS),
    "q.txt": json.dumps(VECTORS),
    "noext": "\ufeff" + json.dumps(VECTORS),
    "objects.json": json.dumps([{"embedding": v} for v in [*VECTORS, None]]),
    "q.jsonl": "\n".join(json.dumps({"embedding": v}) for v in [None, *VECTORS]),
    "q.csv": LOADED["braces.csv"][0],
    "q.parquet": LOADED["large.parquet"][0],
}


@pytest.mark.parametrize("name", FILES)
def test_every_format(tmp_path: Path, name: str) -> None:
    found = read_vectors(write(tmp_path / name, FILES[name]))
    expected = MATRIX[: 1 if "one" in name or "whole" in name else 2]
    rounded = np.rint(expected) if "whole" in name else expected
    np.testing.assert_array_equal(found, rounded)
    assert found.dtype == np.float32


def test_stdin(monkeypatch: pytest.MonkeyPatch) -> None:
    for text, rows in [("[1, 2]", 1), ("[[1, 2], [3, 4]]", 2)]:
        monkeypatch.setattr("sys.stdin", io.StringIO(text))
        assert read_vectors("-").shape == (rows, 2)
    monkeypatch.setattr("sys.stdin", io.StringIO('{"a": 1}'))
    with pytest.raises(InvalidFile, match="stdin holds no query vector: give a"):
        read_vectors("-")


WRONG: dict[str, tuple[str | bytes, str]] = {
    "cut.json": ("[1, 2", "cut.json holds no query vector (Expecting"),
    "ragged.json": ("[[1, 2], [3, 4], [5]]", "row 3: the vector has 1 numbers where 2"),
    "words.json": ('["a", "b"]', "row 1: 'a' at position 0 is not a number"),
    "nan.json": ("[[1, NaN]]", "row 1: nan at position 1"),
    "empty.json": ("[]", "holds no query vector"),
    "number.json": ("5", "holds no query vector"),
    "bytes.txt": (b"\xff\xfe\xfd", "holds no query vector"),
    "deep.json": (REFUSED["deep.jsonl"][0], "deep.json"),
    "other.jsonl": (
        '{"q": [1, 2, 3]}',
        "no column 'embedding' for the query vectors",
    ),
    "scalar.npy": (array(np.float64(1)), "an array of shape ()"),
    "deep.npy": (array(MATRIX[None]), "vectors are a matrix of floats"),
}
SAME = ("header.npy", "cut.npy", "objects.npy", "damaged.npz", "latin.jsonl", "raw.npy")


@pytest.mark.parametrize("name", [*WRONG, *SAME])
def test_wrong_files(tmp_path: Path, name: str) -> None:
    data, why = WRONG[name] if name in WRONG else REFUSED[name]
    with pytest.raises(InvalidFile) as caught:
        read_vectors(write(tmp_path / name, data))
    assert why in str(caught.value)
    with pytest.raises(InvalidFile, match=r"does not exist|No such file"):
        read_vectors(tmp_path / f"no {name}")


def test_vectors_of_another_length(tmp_path: Path) -> None:
    path = write(tmp_path / "q.npy", FILES["q.npy"])
    with pytest.raises(InvalidFile, match="row 0: the vector has 3 numbers where 5"):
        read_vectors(path, dims=5)
