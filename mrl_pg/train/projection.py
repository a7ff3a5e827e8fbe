"""Trains a projection: a linear map over vectors of a model that stays as it is."""

from datetime import date
from importlib.metadata import version
from os import PathLike
from pathlib import Path
from time import perf_counter
from typing import NamedTuple

import numpy as np

from mrl_pg.arguments import check_callable, check_path
from mrl_pg.embed.projection import Projection
from mrl_pg.errors import InvalidVector
from mrl_pg.exchange.progress import OnProgress
from mrl_pg.rotation import fit as fit_rotation
from mrl_pg.train import checkpoint as checkpoints
from mrl_pg.train.fit import BATCH, EPOCHS, RATE, choosing_loss, fit
from mrl_pg.train.nesting import Nesting
from mrl_pg.train.pairs import PairVectors, parted
from mrl_pg.train.quality import qualities
from mrl_pg.train.report import TrainReport
from mrl_pg.train.schedule import Schedule
from mrl_pg.vectors import normalise


class TrainedProjection(NamedTuple):
    """A projection, and what it brought."""

    projection: Projection
    report: TrainReport


def train_projection(
    pairs: PairVectors,
    *,
    nesting: Nesting | None = None,
    schedule: Schedule | None = None,
    held_out: int | None = None,
    checkpoint: "str | PathLike[str] | None" = None,
    restart: bool = False,
    progress: OnProgress | None = None,
) -> TrainedProjection:
    """Train a projection on pairs, and measure it on pairs that were held out.

    It is one matrix, which all sizes share: each takes its first columns (MRL-E).
    The projection starts as the model's own dimensions or as their principal axes,
    whichever ranks better. Adam then lowers the loss of the pairs at all sizes, by
    default 10 epochs of steps of 512 pairs. The epoch that ranks a second part of the
    pairs best is kept, and 0 is one of them, so that training does no harm that these
    pairs would show. `held_out` is the number of pairs that judge, by default a tenth,
    1,000 at most.

    After each epoch the state goes to the file `checkpoint`. The same call goes on from
    there; `restart` begins anew. The file is left for the caller to remove. Raises
    InvalidSetting and InvalidVector.
    """
    began = perf_counter()
    check_callable("progress", progress)
    nesting = (nesting or Nesting()).within(pairs.full)
    schedule = schedule or Schedule()
    parts = parted(pairs.own, held_out, schedule.seed)
    unit = _unit(pairs)
    file = None
    if checkpoint is not None:
        check_path("checkpoint", checkpoint)
        file = Path(checkpoint)
    mark = checkpoints.fingerprint(pairs, nesting, schedule, held_out)
    most = nesting.sizes[-1]
    learnt = np.concatenate(
        [unit.anchors[parts.learn], unit.documents[np.unique(unit.own[parts.learn])]]
    )
    axes = fit_rotation(learnt).matrix.T
    starts = [np.eye(pairs.full, most, dtype=np.float32), axes[:, :most].copy()]
    start = min(starts, key=lambda matrix: choosing_loss(unit, parts, nesting, matrix))
    done = None if file is None or restart else checkpoints.read(file, mark)
    state = done
    for state in fit(unit, parts, nesting, schedule, done or start, progress):
        if file is not None:
            checkpoints.write(file, state, mark)
    assert state is not None
    queries, own = unit.anchors[parts.judge], unit.own[parts.judge]
    projection = Projection(state.best, nesting.sizes, pairs.model)
    before, rotated, after = (
        qualities(queries @ matrix, unit.documents @ matrix, own, nesting.sizes)
        for matrix in (np.eye(pairs.full, dtype=np.float32), axes, projection.matrix)
    )
    report = TrainReport(
        model=pairs.model,
        trained=projection.version,
        pairs=len(pairs),
        left_out=pairs.left_out,
        held_out=len(parts.judge),
        documents=len(pairs.documents),
        epochs=state.epochs,
        best_epoch=state.best_epoch,
        seconds=perf_counter() - began,
        before=before,
        rotated=rotated,
        after=after,
    )
    made = {
        "made": date.today().isoformat(),
        "mrl_pg": version("mrl_pg"),
        "weights": list(nesting.weights),
        "dims_per_step": nesting.dims_per_step,
        "epochs": schedule.epochs or EPOCHS,
        "batch": schedule.batch or BATCH,
        "rate": schedule.rate or RATE,
        "seed": schedule.seed,
        "report": report.as_dict(),
    }
    return TrainedProjection(
        Projection(projection.matrix, nesting.sizes, pairs.model, made), report
    )


def _unit(pairs: PairVectors) -> PairVectors:
    anchors, documents = normalise(pairs.anchors), normalise(pairs.documents)
    for what, vectors in (("anchors", anchors), ("documents", documents)):
        zeros = np.flatnonzero(~vectors.any(axis=1))
        if len(zeros):
            raise InvalidVector(
                f"row {zeros[0]} of {what} is all zeros, as are {len(zeros) - 1} "
                "others: leave them out, because they have no direction"
            )
    return PairVectors(
        anchors.astype(np.float32),
        documents.astype(np.float32),
        pairs.own,
        pairs.wrong,
        pairs.model,
        pairs.left_out,
    )
