"""The state of a fit in a file, so that an interrupted training goes on."""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mrl_pg.errors import InvalidSetting
from mrl_pg.npz import Arrays, read_npz, write_npz
from mrl_pg.train.fit import FitState
from mrl_pg.train.pairs import PairVectors

FORMAT = "mrl_pg checkpoint 1"
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
    write_npz(path, FORMAT, {"mark": mark}, **arrays)


def read(path: Path, mark: str) -> FitState | None:
    """The state in a file; None without a file.

    Raises InvalidFile if it is damaged, and InvalidSetting if another training left it.
    """
    if not path.exists():
        return None
    found, state = read_npz(
        path,
        FORMAT,
        _made,
        what="a checkpoint of a training",
        remedy="Remove it, or begin anew with restart=True (--restart)",
    )
    if found != mark:
        raise InvalidSetting(
            f"{path.name} is from a training with other pairs or settings: repeat "
            "those, or begin anew with restart=True (--restart)"
        )
    return state


def _made(head: dict[str, Any], parts: Arrays) -> tuple[str, FitState]:
    arrays = {name: parts[name] for name in ARRAYS}
    losses = tuple(arrays.pop("losses").tolist())
    return str(head["mark"]), FitState(losses=losses, **arrays)
