"""A model by the text that names it: the value of `--embed`, or of the registry."""

from mrl_pg.arguments import check_text
from mrl_pg.embed.demo_model import DemoModel
from mrl_pg.embed.openai_model import OpenAIModel
from mrl_pg.embed.program import ProgramModel
from mrl_pg.embed.sentence_transformer import SentenceTransformerModel
from mrl_pg.embed.text_model import TextModel
from mrl_pg.errors import InvalidSetting

FORMS = "openai:MODEL, sentence-transformers:MODEL, demo, or a command"


def embedder(
    spec: str,
    *,
    name: str | None = None,
    dims: int | None = None,
    normalise: bool | None = None,
    url: str | None = None,
    requests_per_minute: float | None = None,
) -> TextModel:
    """The model that a text names: one of FORMS.

    `openai:text-embedding-3-small` is a model of OpenAI, or of a service with the same
    interface at `url`. `sentence-transformers:` is followed by a model of the Hugging
    Face hub or a folder. `demo` is the static model of the demo. Anything else is a
    command, such as `python my_embed.py`. `name` is what the registry keeps for a
    command or a folder. Raises InvalidSetting.
    """
    check_text("embed", spec)
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
