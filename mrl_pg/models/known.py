"""The known models, and the look-up of a model by any spelling of its name."""

import re

from mrl_pg import arguments
from mrl_pg.models.hosted import HOSTED
from mrl_pg.models.model import Model
from mrl_pg.models.open_weights import OPEN_WEIGHTS

MODELS: tuple[Model, ...] = HOSTED + OPEN_WEIGHTS


def find(name: str) -> Model | None:
    """The model of that name, or None.

    Ignores letter case, punctuation, a prefix that ends in a slash, a colon or a dot
    (`openai/`, `amazon.`, `models/`), and a tag such as `:latest` at the end. Names are
    not guessed, so that an unknown version is an unknown model. Raises InvalidSetting
    if the name is not text.
    """
    arguments.check_text("name", name)
    spellings = _spellings(name)
    for model in MODELS:
        for known in (model.name, *model.aliases):
            if spellings & {_bare(known), _bare(known.rsplit("/", 1)[-1])}:
                return model
    return None


def _spellings(name: str) -> set[str]:
    """Possible names without prefix and tag, as letters and digits only."""
    last = name.strip().rsplit("/", 1)[-1]
    spellings = {last, *last.split(":", 1)}
    for spelling in tuple(spellings):
        vendor, dot, rest = spelling.partition(".")
        # the part before the dot is a vendor (amazon.titan) only if it has no digits
        if dot and vendor.isalpha():
            spellings.add(rest)
    return {_bare(spelling) for spelling in spellings} - {""}


def _bare(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())
