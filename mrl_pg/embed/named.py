"""A model by the text that names it: the value of `--embed`, or of the registry."""

import re
from os import PathLike

from mrl_pg.arguments import check_text, shown
from mrl_pg.embed.demo_model import DemoModel
from mrl_pg.embed.openai_model import OpenAIModel
from mrl_pg.embed.program import ProgramModel
from mrl_pg.embed.projected import MARK, ProjectedModel
from mrl_pg.embed.projection import Projection
from mrl_pg.embed.sentence_transformer import SentenceTransformerModel
from mrl_pg.embed.text_model import TextModel
from mrl_pg.errors import InvalidSetting
from mrl_pg.models import find

SIZE = {DemoModel.kind: 512}
"""Full sizes of models that `mrl_pg.models` does not list."""

VERSION = re.compile("[0-9a-f]{8}")
"""How a name that a projection gives ends, behind MARK."""

FORMS = "openai:MODEL, sentence-transformers:MODEL, demo, or a command"


def embedder(
    spec: str,
    *,
    name: str | None = None,
    dims: int | None = None,
    normalise: bool | None = None,
    url: str | None = None,
    requests_per_minute: float | None = None,
    projection: "Projection | str | PathLike[str] | None" = None,
) -> TextModel:
    """The model that a text names: one of FORMS.

    `openai:text-embedding-3-small` is a model of OpenAI, or of a service with the same
    interface at `url`. `sentence-transformers:` is followed by a model of the Hugging
    Face hub or a folder. `demo` is the static model of the demo. Anything else is a
    command, such as `python my_embed.py`. `name` is what the registry keeps for a
    command or a folder. `projection` is one that `mrl-pg train` made, or its file; then
    `dims` is a size of it. Raises InvalidSetting.
    """
    check_text("embed", spec)
    if projection is not None:
        base = embedder(
            spec,
            name=name,
            normalise=normalise,
            url=url,
            requests_per_minute=requests_per_minute,
        )
        return ProjectedModel(base, projection, dims=dims)
    kind, colon, model = spec.strip().partition(":")
    if kind == OpenAIModel.kind and colon:
        return OpenAIModel(
            model,
            name=name,
            dims=dims,
            normalise=normalise,
            url=url,
            requests_per_minute=requests_per_minute,
        )
    for option, value in (("url", url), ("requests_per_minute", requests_per_minute)):
        if value is not None:
            raise InvalidSetting(
                f"{option} is for openai:MODEL only: leave it out for a model on this "
                "machine"
            )
    if kind == SentenceTransformerModel.kind and colon:
        return SentenceTransformerModel(
            model, name=name, dims=dims, normalise=normalise
        )
    if kind == DemoModel.kind:
        return DemoModel(dims=dims, normalise=normalise)
    if not spec.strip():
        raise InvalidSetting(f"embed is empty: write {FORMS}")
    return ProgramModel(spec, name=name, dims=dims, normalise=normalise)


def known_embedder(name: str, dims: int | None) -> TextModel:
    """The model of a column by its name in the registry, for vectors of its size.

    Whoever owns a table writes that name, so it may only name what is harmless to
    open: the demo's model, a model of the service that this process is set up for, and
    models of sentence-transformers that `mrl_pg.models` lists. No command is run for
    it. Raises InvalidSetting.
    """
    model, mark, version = name.rpartition(MARK)
    if mark and VERSION.fullmatch(version):
        raise InvalidSetting(
            f"the column was filled by {shown(model)} through the projection "
            f"{version}, and its file is needed: name both with "
            f"embedder=embedder({model!r}, projection=FILE) (--embed {model} "
            "--projection FILE)"
        )
    kind, _, label = name.partition(":")
    facts = find(label)
    full = facts.full if facts else SIZE.get(kind)
    asked = dims if full is not None and dims != full else None
    if kind == DemoModel.kind:
        return DemoModel(dims=asked)
    if kind == OpenAIModel.kind:
        return OpenAIModel(label, dims=asked)
    listed = facts is not None and label in (facts.name, *facts.aliases)
    if kind == SentenceTransformerModel.kind and listed:
        return SentenceTransformerModel(label, dims=asked)
    raise InvalidSetting(
        f"the column was filled by {shown(name)}, which is not run unasked: name the "
        f"model with embedder= (--embed): {FORMS}"
    )
