"""The static model of the demo, which needs no network and no further package."""

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from mrl_pg.demo.model import StaticModel
from mrl_pg.embed.text_model import Role, TextModel

LABEL = "static-wordnet"


class DemoModel(TextModel):
    """Means of word vectors, 512 dimensions, for trials: it knows words of WordNet.

    A text without a known word has a vector of zeros.
    """

    kind: ClassVar[str] = "demo"

    def __init__(
        self, *, dims: int | None = None, normalise: bool | None = None
    ) -> None:
        """Load the weights, which takes some tenths of a second."""
        super().__init__(
            LABEL, dims=dims, normalise=True if normalise is None else normalise
        )
        self._static = StaticModel.load()

    def _vectors(self, texts: list[str], role: Role) -> NDArray[np.float32]:
        return self._static.embed(texts)
