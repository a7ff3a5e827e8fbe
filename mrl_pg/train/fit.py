"""Fits the matrix of a projection: steps of Adam on the loss of pairs."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mrl_pg.exchange.progress import OnProgress, Progress
from mrl_pg.train.loss import Matrix, nested_loss
from mrl_pg.train.nesting import Nesting
from mrl_pg.train.pairs import PairParts, PairVectors
from mrl_pg.train.schedule import Schedule

EPOCHS, BATCH, RATE = 10, 512, 1e-3
"""Defaults of a schedule."""

MEAN, SQUARE, TINY = 0.9, 0.999, 1e-8
"""Adam's usual constants (Kingma and Ba 2015)."""


@dataclass(frozen=True, slots=True, eq=False)
class FitState:
    """A fit after some epochs: matrix, Adam's two averages, and the best matrix so far.

    `losses` are those of the pairs that choose, before the first epoch and after each.
    """

    matrix: NDArray[np.float32]
    mean: NDArray[np.float32]
    square: NDArray[np.float32]
    best: NDArray[np.float32]
    losses: tuple[float, ...]

    @property
    def epochs(self) -> int:
        """Epochs that are done."""
        return len(self.losses) - 1

    @property
    def best_epoch(self) -> int:
        """The epoch of the best matrix; 0 is the start."""
        return int(np.argmin(self.losses))


def fit(
    pairs: PairVectors,
    parts: PairParts,
    nesting: Nesting,
    schedule: Schedule,
    start: "FitState | NDArray[np.float32]",
    progress: OnProgress | None = None,
) -> Iterator[FitState]:
    """The state after each epoch, from a matrix or from the state of an earlier run.

    `pairs` have vectors of length 1. The draws of an epoch depend on the seed and on
    its number alone, so that a fit that goes on ends as one that was not interrupted.
    """
    epochs, batch = schedule.epochs or EPOCHS, schedule.batch or BATCH
    batch = min(batch, len(parts.learn))
    steps = len(parts.learn) // batch
    if isinstance(start, FitState):
        state = start
    else:
        zeros = np.zeros_like(start)
        losses = (choosing_loss(pairs, parts, nesting, start),)
        state = FitState(start, zeros, zeros, start, losses)
    rate = schedule.rate or RATE
    for epoch in range(state.epochs, epochs):
        random = np.random.default_rng([schedule.seed, epoch])
        order = random.permutation(parts.learn)
        matrix, mean, square = (
            array.copy() for array in (state.matrix, state.mean, state.square)
        )
        for step in range(steps):
            places = order[step * batch : (step + 1) * batch]
            _, gradient = loss_of(pairs, places, nesting.drawn(random), matrix)
            number = epoch * steps + step + 1
            mean += (1 - MEAN) * (gradient - mean)
            square += (1 - SQUARE) * (gradient * gradient - square)
            now = rate * (1 + np.cos(np.pi * number / (epochs * steps + 1))) / 2
            slope = np.sqrt(square / (1 - SQUARE**number)) + TINY
            matrix -= now / (1 - MEAN**number) * mean / slope
            if progress is not None:
                progress(Progress("training", number, epochs * steps))
        loss = choosing_loss(pairs, parts, nesting, matrix)
        best = matrix if loss < min(state.losses) else state.best
        state = FitState(matrix, mean, square, best, (*state.losses, loss))
        yield state


def loss_of(
    pairs: PairVectors,
    places: NDArray[np.intp],
    weights: Mapping[int, float],
    matrix: Matrix,
) -> tuple[float, Matrix]:
    """The loss of some pairs against each other, and its gradient by the matrix."""
    own = pairs.own[places]
    rows = own if pairs.wrong is None else np.concatenate([own, pairs.wrong[places]])
    # the document of another pair may be the right answer of this one, too
    same = rows == own[:, np.newaxis]
    same[np.arange(len(own)), np.arange(len(own))] = False
    anchors, documents = pairs.anchors[places], pairs.documents[rows]
    loss = nested_loss(anchors @ matrix, documents @ matrix, weights=weights, same=same)
    return loss.value, anchors.T @ loss.anchors + documents.T @ loss.documents


def choosing_loss(
    pairs: PairVectors, parts: PairParts, nesting: Nesting, matrix: Matrix
) -> float:
    """The mean loss of the pairs that choose, in groups of BATCH."""
    groups = np.array_split(parts.choose, -(-len(parts.choose) // BATCH))
    losses = [loss_of(pairs, group, nesting.every, matrix)[0] for group in groups]
    return float(np.average(losses, weights=[len(group) for group in groups]))
