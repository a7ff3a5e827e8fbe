"""The known models, and how to find one by whatever its name is spelled like."""

import re

from mrl_pg import arguments
from mrl_pg.models.hosted import HOSTED
from mrl_pg.models.model import Model
from mrl_pg.models.open_weights import OPEN_WEIGHTS

MODELS: tuple[Model, ...] = HOSTED + OPEN_WEIGHTS


def find(name: str) -> Model | None:
    """The model of that name, or None.

    Letter case, punctuation and what stands before a slash, a colon or a dot
    (`openai/`, `amazon.`, `models/`) make no difference; nor does a tag such as
    `:latest` behind it. Names are not guessed: an unknown version is an unknown model.
    Raises InvalidSetting for what is no text.
    """
    arguments.check_text("name", name)
    spellings = _spellings(name)
    for model in MODELS:
        for known in (model.name, *model.aliases):
            if spellings & {_bare(known), _bare(known.rsplit("/", 1)[-1])}:
                return model
    return None


def _spellings(name: str) -> set[str]:
    """What the name may be, without prefixes and a tag; letters and digits only."""
    last = name.strip().rsplit("/", 1)[-1]
    found = {last, *last.split(":", 1)}
    for spelling in tuple(found):
        vendor, dot, rest = spelling.partition(".")
        # amazon.titan, cohere.embed: a vendor has no digits, a version has
        if dot and vendor.isalpha():
            found.add(rest)
    return {_bare(spelling) for spelling in found} - {""}


def _bare(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())
