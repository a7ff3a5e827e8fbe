"""The state of a fit in a file, so that an interrupted training goes on."""

import hashlib
import io
import zipfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mrl_pg.errors import InvalidFile, InvalidSetting
from mrl_pg.train.fit import FitState
from mrl_pg.train.pairs import PairVectors
from mrl_pg.vectors import write_arrays

ARRAYS = ("matrix", "mean", "square", "best", "losses")


def fingerprint(pairs: PairVectors, *settings: object) -> str:
    """What tells one training from another: its vectors and its settings."""
    digest = hashlib.sha256(repr(settings).encode())
    arrays: list[NDArray[np.generic]] = [pairs.anchors, pairs.documents, pairs.own]
    if pairs.wrong is not None:
        arrays.append(pairs.wrong)
    for array in arrays:
        digest.update(array.tobytes())
    return digest.hexdigest()[:16]


def write(path: Path, state: FitState, mark: str) -> None:
    """Write a state, at once or not at all."""
    arrays = {name: np.asarray(getattr(state, name)) for name in ARRAYS}
    write_arrays(path, mark=np.asarray(mark), **arrays)


def read(path: Path, mark: str) -> FitState | None:
    """The state in a file; None without a file.

    Raises InvalidFile if it is damaged, and InvalidSetting if another training left it.
    """
    if not path.exists():
        return None
    try:
        # of a damaged file, NumPy would leave the file open
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as parts:
            found = str(parts["mark"])
            arrays = {name: parts[name] for name in ARRAYS}
    except (OSError, EOFError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise InvalidFile(
            f"{path.name} is no checkpoint of a training ({error}): remove it, or "
            "begin anew with restart=True (--restart)"
        ) from error
    if found != mark:
        raise InvalidSetting(
            f"{path.name} is from a training with other pairs or settings: repeat "
            "those, or begin anew with restart=True (--restart)"
        )
    losses = tuple(arrays.pop("losses").tolist())
    return FitState(losses=losses, **arrays)
