"""Vectors that were read from a rotated column, as the model made them."""

from typing import Any

import numpy as np

from mrl_pg.arguments import shown
from mrl_pg.errors import InvalidVector
from mrl_pg.rotation import Rotation


def unrotated(value: Any, rotation: Rotation) -> Any:
    """A vector in the type in which the caller's loader read it; None stays None.

    Raises InvalidVector for a type that is not known.
    """
    if value is None:
        return None
    if isinstance(value, str):
        numbers = np.array(value[1:-1].split(","), dtype=np.float32)
        return f"[{','.join(map(str, rotation.undo(numbers)))}]"
    if isinstance(value, np.ndarray):
        return rotation.undo(value).astype(value.dtype)
    if isinstance(value, (list, tuple)):
        return type(value)(rotation.undo(np.array(value)).tolist())
    if hasattr(value, "to_numpy"):
        return type(value)(rotation.undo(value.to_numpy()))
    raise InvalidVector(
        f"{shown(value)} of type {type(value).__name__} is no vector that can be "
        "rotated back: register pgvector's types on the connection, or leave the "
        "column out with columns="
    )
