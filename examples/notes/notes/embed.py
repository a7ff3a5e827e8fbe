"""Turns text into vectors; no other module knows the embedding model."""

from functools import cache

import numpy as np
from numpy.typing import NDArray

from mrl_pg.demo.model import StaticModel


@cache
def model() -> StaticModel:
    """The small English model of mrl_pg's demo; put your model in its place."""
    return StaticModel.load()


def embed(text: str) -> NDArray[np.float32]:
    """A vector of 512 dimensions; ValueError if the model knows no word of the text."""
    vector: NDArray[np.float32] = model().embed([text])[0]
    if not vector.any():
        raise ValueError(f"the model knows no word of {text!r}")
    return vector
