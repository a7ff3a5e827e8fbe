"""Vectors of texts in a file, so that an interrupted load pays for no text twice."""

import hashlib
import sqlite3
from collections.abc import Iterable, Mapping
from os import PathLike
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mrl_pg.errors import InvalidFile

TABLE = """
create table if not exists vectors (
    digest blob primary key,
    vector blob not null
) without rowid
"""
MOST_ASKED = 500
"""Digests in one look-up; SQLite takes 999 parameters or more."""


def store_path(file: "str | PathLike[str]", model: str, dims: int | None) -> Path:
    """Where the vectors of a file's texts are kept: beside it, one file a model."""
    mark = hashlib.sha256(f"{model} {dims}".encode()).hexdigest()[:8]
    path = Path(file)
    return path.with_name(f"{path.name}.{mark}.embedded")


class VectorStore:
    """Vectors by text, in an SQLite file that is written after each batch.

    A text without a usable vector has an empty one. One thread at a time may use it.
    """

    def __init__(self, path: Path) -> None:
        """Open or make the file; raises InvalidFile."""
        self.path = path
        try:
            # another thread reads it while rows are sent
            self._file = sqlite3.connect(path, check_same_thread=False)
            self._file.execute(TABLE)
        except sqlite3.Error as error:
            raise InvalidFile(
                f"{str(path)!r} cannot hold the vectors so far ({error}): remove it, "
                "or name another file with store= (--store)"
            ) from error

    def known(self, texts: Iterable[str]) -> dict[str, NDArray[np.float32]]:
        """The vectors of those texts that are there."""
        digests = {_digest(text): text for text in texts}
        places = list(digests)
        found: dict[str, NDArray[np.float32]] = {}
        for start in range(0, len(places), MOST_ASKED):
            asked = places[start : start + MOST_ASKED]
            marks = ",".join("?" * len(asked))
            rows = self._file.execute(
                f"select digest, vector from vectors where digest in ({marks})", asked
            )
            for digest, vector in rows:
                found[digests[digest]] = np.frombuffer(vector, np.float32)
        return found

    def put(self, vectors: Mapping[str, NDArray[np.float32]]) -> None:
        """Keep vectors, also if the process ends at once."""
        rows = [
            (
                _digest(text),
                vector.astype(np.float32).tobytes() if vector.any() else b"",
            )
            for text, vector in vectors.items()
        ]
        with self._file:
            self._file.executemany("insert or replace into vectors values (?, ?)", rows)

    def dims(self) -> int | None:
        """Length of the vectors; None if there is none yet."""
        row = self._file.execute(
            "select length(vector) / 4 from vectors where length(vector) > 0 limit 1"
        ).fetchone()
        return None if row is None else int(row[0])

    def __len__(self) -> int:
        """Number of texts."""
        count: int = self._file.execute("select count(*) from vectors").fetchone()[0]
        return count

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def remove(self) -> None:
        """Close and remove the file, because the table has its vectors now."""
        self.close()
        self.path.unlink(missing_ok=True)


def _digest(text: str) -> bytes:
    return hashlib.blake2b(
        text.encode("utf-8", "surrogatepass"), digest_size=16
    ).digest()
