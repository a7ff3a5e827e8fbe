"""Trains a projection on the pairs of a file, and writes it to a file."""

from collections.abc import Callable
from os import PathLike
from pathlib import Path

from mrl_pg.arguments import check_path
from mrl_pg.embed.cost import EmbeddingCost
from mrl_pg.embed.protocol import Embedder
from mrl_pg.errors import InvalidFile, InvalidSetting
from mrl_pg.exchange.progress import OnProgress
from mrl_pg.train.nesting import Nesting
from mrl_pg.train.pairs import Pairs
from mrl_pg.train.projection import train_projection
from mrl_pg.train.report import TrainReport
from mrl_pg.train.schedule import Schedule
from mrl_pg.train.texts import embedded


def write_projection(
    pairs: Pairs,
    out: "str | PathLike[str]",
    *,
    embedder: Embedder,
    nesting: Nesting | None = None,
    schedule: Schedule | None = None,
    held_out: int | None = None,
    restart: bool = False,
    price: float | None = None,
    confirm: Callable[[EmbeddingCost], object] | None = None,
    progress: OnProgress | None = None,
) -> TrainReport:
    """Embed pairs of texts, train a projection on them, and write it to the file `out`.

    What is not done yet after an interruption is in files beside `out`: vectors after
    each batch of texts, and the state of the training after each epoch. The same call
    goes on from there; `restart` trains anew, from the same vectors. The files are
    removed when `out` is written. `price` and `confirm` are those of `load_texts`, the
    other arguments those of `train_projection`. Raises InvalidSetting if `out` is there
    already.
    """
    file = free(out)
    checkpoint = file.with_name(f"{file.name}.checkpoint")
    with embedded(
        pairs, embedder, file, price=price, confirm=confirm, progress=progress
    ) as vectors:
        trained = train_projection(
            vectors,
            nesting=nesting,
            schedule=schedule,
            held_out=held_out,
            checkpoint=checkpoint,
            restart=restart,
            progress=progress,
        )
        trained.projection.save(file)
    checkpoint.unlink(missing_ok=True)
    return trained.report


def free(out: "str | PathLike[str]") -> Path:
    """A path where nothing is yet, in a folder that is there; else raises."""
    check_path("out", out)
    file = Path(out)
    if file.exists():
        raise InvalidSetting(
            f"{str(file)!r} is there already, and columns may have been filled with "
            "it: name another file, or remove this one"
        )
    if not file.parent.is_dir():
        raise InvalidFile(
            f"{str(file)!r} cannot be written, because there is no folder "
            f"{str(file.parent)!r}: make it first"
        )
    return file
