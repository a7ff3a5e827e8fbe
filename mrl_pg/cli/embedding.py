"""Options about the model that embeds texts, shared by `load` and `search`."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, TypeAlias

import typer

from mrl_pg.cli.options import say
from mrl_pg.embed.cost import EmbeddingCost
from mrl_pg.errors import InvalidSetting

TEXTS = "Texts and their model"
"""Panel of `--help` with the options below."""

Embed: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--embed",
        metavar="MODEL",
        help="Model that embeds texts: openai:NAME (also for compatible services), "
        "sentence-transformers:NAME, demo, or a command such as 'python my_embed.py', "
        "which reads a JSON string a line and writes a list of numbers a line.",
        rich_help_panel=TEXTS,
        show_default=False,
    ),
]
ModelName: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--model",
        metavar="NAME",
        help="What the registry calls the model of a command or a folder, such as "
        "nomic-embed-text-v1.5.  \\[default: the file name]",
        rich_help_panel=TEXTS,
        show_default=False,
    ),
]
EmbedDims: TypeAlias = Annotated[
    int | None,
    typer.Option(
        "--embed-dims",
        help="Size of the vectors that the model gives.  \\[default: all it has]",
        rich_help_panel=TEXTS,
        show_default=False,
    ),
]
EmbedUrl: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--embed-url",
        metavar="URL",
        help="Address of a service with OpenAI's interface, such as "
        "http://localhost:11434/v1.  \\[default: OPENAI_BASE_URL, else OpenAI]",
        rich_help_panel=TEXTS,
        show_default=False,
    ),
]
ProjectionFile: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--projection",
        metavar="FILE",
        help="A projection that `mrl-pg train` made for the model. All rows of a "
        "column, and all searches of it, need the same.",
        rich_help_panel=TEXTS,
        show_default=False,
    ),
]
RequestsPerMinute: TypeAlias = Annotated[
    float | None,
    typer.Option(
        "--requests-per-minute",
        help="Send no more requests to the service.  \\[default: no limit; refused "
        "requests are repeated as the service says]",
        rich_help_panel=TEXTS,
        show_default=False,
    ),
]


OPTIONS = {
    "name": "--model",
    "dims": "--embed-dims",
    "url": "--embed-url",
    "projection": "--projection",
    "requests_per_minute": "--requests-per-minute",
    "store": "--store",
    "price": "--price",
}
"""Options by their names in Python."""


def refuse_without_model(given: Mapping[str, object]) -> None:
    """Raise InvalidSetting if an option about a model has a value."""
    for name, value in given.items():
        if value is not None:
            raise InvalidSetting(
                f"{OPTIONS[name]} is about a model: add --embed MODEL, or leave it out"
            )


class Confirmation:
    """Tells the cost, and asks a person at a terminal whether to go on."""

    def __init__(self, *, yes: bool) -> None:
        """With `yes`, nobody is asked."""
        self._yes = yes

    def __call__(self, cost: EmbeddingCost) -> None:
        """Raises typer.Abort if the person says no."""
        say(str(cost))
        if cost.texts and not self._yes and sys.stdin.isatty():
            typer.confirm("Go on?", default=True, abort=True, err=True)
