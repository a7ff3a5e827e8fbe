"""A model whose vectors go through a projection."""

from os import PathLike
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from mrl_pg.embed.column_model import is_same
from mrl_pg.embed.projection import Projection
from mrl_pg.embed.protocol import Embedder
from mrl_pg.embed.text_model import Role, TextModel
from mrl_pg.errors import ModelMismatch
from mrl_pg.vectors import VectorsLike

MARK = "+"
"""Stands between the model and the version of its projection in a name."""


class ProjectedModel(TextModel):
    """The vectors of a model, multiplied by a trained projection.

    Its name ends in `+` and the projection's version, because its vectors cannot be
    compared with those of the model alone. All vectors have length 1.
    """

    kind: ClassVar[str] = "projected"

    def __init__(
        self,
        base: Embedder,
        projection: "Projection | str | PathLike[str]",
        *,
        dims: int | None = None,
    ) -> None:
        """Take a model and a projection, or the file that holds one.

        `base` gives its full vectors. Raises ModelMismatch if the projection was
        trained on vectors of another model.
        """
        found = (
            projection
            if isinstance(projection, Projection)
            else Projection.read(projection)
        )
        if found.model and not is_same(found.model, base.name):
            raise ModelMismatch(
                f"the projection {found.version} was trained on vectors of "
                f"{found.model}, and {base.name} gives others: name that model, or "
                "train a projection for this one"
            )
        super().__init__(f"{base.name}{MARK}{found.version}", dims=dims, normalise=True)
        self.base, self.projection = base, found
        self.hosted = getattr(base, "hosted", False)

    @property
    def name(self) -> str:
        """The model's name and the projection's version, as the registry keeps it."""
        return self.label

    def _vectors(self, texts: list[str], role: Role) -> VectorsLike:
        embed = (
            self.base.embed_queries if role == "query" else self.base.embed_documents
        )
        vectors: NDArray[np.floating] = np.asarray(embed(texts), dtype=np.float32)
        return self.projection.apply(vectors)
