"""A rotation keeps distances, is undone, fits few rows, and survives its file."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from mrl_pg.errors import InvalidFile, InvalidSetting, InvalidVector
from mrl_pg.rotation import Provenance, Rotation, fit
from mrl_pg.rotation import value as value_module

Floats = NDArray[np.float32]

FULL = 96
ROOT = Path(__file__).parents[2]


def uneven(rows: int, seed: int = 0) -> Floats:
    """Rows of length 1 with most of it in a few directions, mixed by a rotation."""
    random = np.random.default_rng(seed)
    axes = np.linalg.qr(np.random.default_rng(99).standard_normal((FULL, FULL)))[0]
    drawn = random.standard_normal((rows, FULL)) / np.arange(1, FULL + 1) @ axes
    lengths = np.linalg.norm(drawn, axis=1, keepdims=True)
    unit: Floats = (drawn / lengths).astype(np.float32)
    return unit


@pytest.fixture(scope="module")
def rotation() -> Rotation:
    return fit(uneven(500), source="docs.embedding", date="2026-11-28")


def distances(rows: Floats, query: Floats) -> dict[str, NDArray[np.float64]]:
    wide, asked = rows.astype(np.float64), query.astype(np.float64)
    norms = np.linalg.norm(wide, axis=1) * np.linalg.norm(asked)
    return {
        "cosine": 1 - wide @ asked / norms,
        "ip": -(wide @ asked),
        "l2": np.linalg.norm(wide - asked, axis=1),
    }


def test_all_full_distances_stay(rotation: Rotation) -> None:
    rows, query = uneven(300, seed=1), uneven(1, seed=2)[0]
    before = distances(rows, query)
    after = distances(rotation.apply(rows), rotation.apply(query))
    for name, values in before.items():
        assert np.abs(values - after[name]).max() < 1e-5


def test_it_is_undone(rotation: Rotation) -> None:
    rows = uneven(100, seed=3)
    assert np.abs(rotation.undo(rotation.apply(rows)) - rows).max() < 1e-5
    assert np.abs(rotation.undo(rotation.apply(rows[0])) - rows[0]).max() < 1e-5


def test_leading_dimensions_hold_most(rotation: Rotation) -> None:
    rows = uneven(300, seed=4)

    def share(vectors: Floats) -> float:
        return float(np.square(vectors[:, :8]).sum() / np.square(vectors).sum())

    assert share(rows) < 0.2
    assert share(rotation.apply(rows)) > 0.8


def test_blocks_and_vectors_agree(
    rotation: Rotation, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = uneven(100, seed=5)
    whole = rotation.apply(rows)
    monkeypatch.setattr(value_module, "BLOCK", 7)
    assert np.allclose(rotation.apply(rows), whole, atol=1e-6)
    assert np.allclose(rotation.apply(rows[3]), whole[3], atol=1e-6)
    halves = rotation.apply(rows.astype(np.float16))
    assert halves.dtype == np.float32
    assert rotation.apply(rows[:0]).shape == (0, FULL)


def test_a_fit_is_repeated_and_its_signs_are_decided(rotation: Rotation) -> None:
    again = fit(uneven(500))
    assert again == rotation
    assert hash(again) == hash(rotation)
    assert again.version == rotation.version
    assert rotation != fit(uneven(500, seed=1))
    assert rotation != "text"
    largest = np.abs(rotation.matrix).argmax(axis=1)
    assert (rotation.matrix[np.arange(FULL), largest] > 0).all()
    assert fit(-uneven(500)) == rotation


def test_fewer_rows_than_dimensions_are_completed() -> None:
    rows = uneven(5)
    few = fit(rows)
    assert np.abs(few.matrix @ few.matrix.T - np.eye(FULL)).max() < 1e-5
    held = np.square(few.apply(rows)[:, :5]).sum(axis=1)
    assert np.abs(held - 1).max() < 1e-5
    assert few.provenance.rows == 5


def test_it_says_where_it_comes_from(rotation: Rotation) -> None:
    known = rotation.provenance
    assert (known.method, known.rows, known.source, known.date) == (
        "pca",
        500,
        "docs.embedding",
        "2026-11-28",
    )
    assert known.library
    assert Provenance(**json.loads(json.dumps(known.as_dict()))) == known
    assert rotation.version in repr(rotation)
    assert len(repr(rotation)) < 300


def test_nobody_changes_it(rotation: Rotation) -> None:
    with pytest.raises(ValueError, match="read-only"):
        rotation.matrix[0, 0] = 2
    given = rotation.matrix.copy()
    kept = Rotation(given, rotation.provenance)
    given[:] = 0
    assert kept == rotation


# ---------------------------------------------------------------------------- file


def test_a_file_brings_it_back(rotation: Rotation, tmp_path: Path) -> None:
    path = tmp_path / "docs.rot"
    rotation.save(path)
    back = Rotation.read(path)
    assert back == rotation
    assert back.provenance == rotation.provenance
    rotation.save(str(path))
    assert [found.name for found in tmp_path.iterdir()] == ["docs.rot"]


def test_no_file_is_its_own_error(tmp_path: Path, rotation: Rotation) -> None:
    with pytest.raises(FileNotFoundError):
        Rotation.read(tmp_path / "none.rot")
    with pytest.raises(InvalidSetting, match="path"):
        Rotation.read("a\0b")
    with pytest.raises(OSError, match="none"):
        rotation.save(tmp_path / "none" / "docs.rot")


def rewritten(path: Path, **parts: NDArray[np.generic]) -> None:
    """The file with other parts."""
    with np.load(path) as old:
        kept = {name: old[name] for name in old.files}
    with path.open("wb") as file:
        np.savez(file, **{**kept, **parts})


def test_damaged_files_are_refused(rotation: Rotation, tmp_path: Path) -> None:
    path = tmp_path / "docs.rot"
    rotation.save(path)
    whole = path.read_bytes()
    for bad in (b"", b"text", whole[:-100], whole[:100]):
        path.write_bytes(bad)
        with pytest.raises(InvalidFile, match="is not a rotation"):
            Rotation.read(path)
    middle = bytearray(whole)
    middle[len(whole) // 2] ^= 1
    path.write_bytes(bytes(middle))
    with pytest.raises(InvalidFile, match="damaged"):
        Rotation.read(path)


def test_files_of_other_matrices_are_refused(
    rotation: Rotation, tmp_path: Path
) -> None:
    path = tmp_path / "docs.rot"
    cases = {
        "not orthogonal": np.ones((4, 4), np.float32),
        "shape": np.ones((4, 5), np.float32),
        "not finite": np.full((4, 4), np.nan, np.float32),
        "its version says": np.eye(4, dtype=np.float32),
    }
    for words, matrix in cases.items():
        rotation.save(path)
        rewritten(path, matrix=matrix)
        with pytest.raises(InvalidFile, match=words):
            Rotation.read(path)
    rotation.save(path)
    head = json.dumps({"format": "mrl_pg rotation 99"}).encode()
    rewritten(path, head=np.frombuffer(head, dtype=np.uint8))
    with pytest.raises(InvalidFile, match="mrl_pg rotation 99"):
        Rotation.read(path)


def test_pickles_are_never_read(tmp_path: Path) -> None:
    path = tmp_path / "docs.rot"
    with path.open("wb") as file:
        np.save(file, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(InvalidFile, match="is not a rotation"):
        Rotation.read(path)


# ------------------------------------------------------------------------- refusals


def test_vectors_that_do_not_fit_are_refused(rotation: Rotation) -> None:
    for bad in (np.ones(5), np.ones((2, 5)), np.ones((1, 1, FULL)), np.float32(1)):
        with pytest.raises(InvalidVector, match="shape"):
            rotation.apply(bad)
        with pytest.raises(InvalidVector, match="shape"):
            rotation.undo(bad)
    with pytest.raises(InvalidVector, match="not vectors"):
        rotation.apply(np.array(["text"] * FULL))


def test_matrices_that_are_no_rotation_are_refused() -> None:
    known = Provenance("pca", 1)
    for bad, words in (
        (np.ones((2, 3)), "shape"),
        (np.ones(3), "shape"),
        (np.empty((0, 0)), "shape"),
        (np.diag([1.0, 1.0001]), "not orthogonal"),
        (np.full((2, 2), np.inf), "not finite"),
        (np.full((2, 2), 1e30), "not orthogonal"),
    ):
        with pytest.raises(InvalidVector, match=words):
            Rotation(bad.astype(np.float64), known)
    with pytest.raises(InvalidSetting, match="rows"):
        Provenance("pca", -1)


def test_rows_that_cannot_be_fitted_are_refused() -> None:
    for bad, words in (
        (np.ones(3), "shape"),
        (np.ones((0, 3)), "shape"),
        (np.zeros((3, 3)), "zeros"),
        (np.array([[1.0, 2.0], [np.nan, 1.0]]), "row 1"),
        (np.array([[1.0, 1e300]]), "row 0"),
    ):
        with pytest.raises(InvalidVector, match=words):
            fit(bad)
    with pytest.raises(InvalidSetting, match="method='itq'"):
        fit(np.ones((3, 3)), method="itq")  # type: ignore[arg-type]


# ----------------------------------------------------------------------------- docs


@pytest.mark.parametrize("named", ["glosses.rot", "grace_hopper.jpg"])
def test_the_examples_in_the_docs_print_what_they_say(
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    named: str,
) -> None:
    page = (ROOT / "docs/models.md").read_text(encoding="utf-8")
    pairs = re.findall(r"```python\n(.*?)```\n\n```\n(.*?)```", page, re.DOTALL)
    example, printed = next(pair for pair in pairs if named in pair[0])
    monkeypatch.chdir(tmp_path)
    exec(compile(example, "docs/models.md", "exec"), {})
    assert capsys.readouterr().out == printed
    if named == "glosses.rot":
        assert Rotation.read(named).provenance.source == "glosses"
