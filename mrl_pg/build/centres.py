"""Centres of parts: k-means over a sample of vectors, by scikit-learn."""

import warnings

import numpy as np
from numpy.typing import NDArray

from mrl_pg.errors import InvalidSetting
from mrl_pg.kinds import Distance

SEED = 42
"""Equal rows have equal centres."""


def fit_centres(
    vectors: NDArray[np.float32], parts: int, distance: Distance
) -> NDArray[np.float32]:
    """Centres of shape (parts, dims) of vectors of shape (n, dims).

    By direction for cosine and ip (vectors of zeros are left out), by place for l2.
    Raises InvalidSetting if scikit-learn is missing, or for fewer vectors than parts.
    """
    try:
        from sklearn.cluster import MiniBatchKMeans
    except ImportError as error:
        raise InvalidSetting(
            f"to find the centres of parts needs scikit-learn ({error}): pip install "
            "'mrl_pg[parts]', or give centres= of your own"
        ) from error
    points = np.asarray(vectors, dtype=np.float32)
    if distance != "l2":
        points = _unit(points[points.any(axis=1)])
    different = len(np.unique(points, axis=0)) if len(points) < 2 * parts else parts
    if different < parts:
        raise InvalidSetting(
            f"parts={parts}, and the sample has {different} different vectors: ask for "
            "fewer parts, or raise sample"
        )
    model = MiniBatchKMeans(
        n_clusters=parts,
        batch_size=max(1024, 4 * parts),
        n_init=3,
        random_state=SEED,
    )
    with warnings.catch_warnings():
        # of few different vectors, which makes parts small and nothing wrong
        warnings.simplefilter("ignore")
        centres = np.asarray(model.fit(points).cluster_centers_, dtype=np.float32)
    return centres if distance == "l2" else _unit(centres)


def _unit(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return (rows / np.where(lengths > 0, lengths, 1)).astype(np.float32)
