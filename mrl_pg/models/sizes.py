"""The short sizes that are worth trying: trained, advertised, or a standard list."""

from mrl_pg import arguments
from mrl_pg.arguments import shown
from mrl_pg.errors import InvalidSetting
from mrl_pg.models.model import Model

LADDER = (8, 16, 32, 64, 128, 256, 384, 512, 768, 1024, 1536, 2048, 3072, 4096, 6144)


def ladder(model: Model | int, *, full: int | None = None) -> tuple[int, ...]:
    """Short sizes to try, ascending, each below the full size.

    If the model's prefixes are embeddings by design: its trained sizes, else its
    advertised sizes, else the sizes of LADDER from the shortest that the maker offers.
    For other models, and for a number, all of LADDER. `full` is the length of your
    vectors, if it is less than the model's longest.
    """
    most = model.full if isinstance(model, Model) else arguments.whole("model", model)
    full = most if full is None else arguments.whole("full", full)
    if not 1 <= full <= most:
        raise InvalidSetting(
            f"full size {shown(full)} is outside 1 to {shown(most)}: "
            "pass the length of your vectors"
        )
    tried: tuple[int, ...] = LADDER
    if isinstance(model, Model) and model.prefix:
        least = model.shortest or 1
        steps = tuple(size for size in LADDER if size >= least)
        tried = model.trained or model.advertised or steps
    return tuple(sorted(size for size in tried if size < full))
