"""Sizes of a model: those worth trying, and what speaks against another one."""

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


def doubt(model: Model, dims: int) -> str | None:
    """Why vectors of that size may be worse than the model's maker promises, or None.

    None for the full size, for a size that the maker names or offers, and for a model
    whose maker names none. Raises InvalidSetting if the model has no such size.
    """
    dims = arguments.whole("dims", dims)
    if not 1 <= dims <= model.full:
        raise InvalidSetting(
            f"dims={shown(dims)} is outside 1 to {model.full}, the sizes of "
            f"{model.name}: choose one of "
            f"{', '.join(map(str, (*ladder(model), model.full)))}"
        )
    if dims == model.full:
        return None
    if model.prefix is False:
        return (
            f"{model.name} was trained on full vectors of {model.full} dimensions "
            f"only, so its first {dims} are no embedding by design: store full "
            "vectors, and let mrl-pg tune measure what is worth indexing"
        )
    named = model.trained or model.advertised
    offered = model.shortest is not None and dims >= model.shortest
    if dims in (*(model.trained or ()), *model.advertised) or offered or not named:
        return None
    verb = "was trained at" if model.trained else "is described by its maker at"
    return (
        f"{model.name} {verb} {', '.join(map(str, named))} and {model.full} "
        f"dimensions, and not at {dims}: choose one of these, or measure this size on "
        "your rows"
    )
