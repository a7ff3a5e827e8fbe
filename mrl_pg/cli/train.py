"""`mrl-pg train`: prefixes that find more, by a projection or by a trained model."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from mrl_pg.cli.bar import bar, shown_by
from mrl_pg.cli.bench import numbers
from mrl_pg.cli.embedding import (
    Confirmation,
    EmbedUrl,
    ModelName,
    RequestsPerMinute,
    refuse_without_model,
)
from mrl_pg.cli.options import Json, say
from mrl_pg.errors import InvalidSetting

PAIRS = "The pairs"
NEST = "What is trained"
STEPS = "How long"
MODEL = "With --finetune"


def train(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="PAIRS",
            help="A file with a query and its right answer in each row: .jsonl, .csv, "
            ".parquet or another that `load` reads.",
        ),
    ],
    out: Annotated[
        Path,
        typer.Argument(
            metavar="OUT",
            help="The file of the projection, or with --finetune the folder of the "
            "model. It must not exist yet.",
        ),
    ],
    embed: Annotated[
        str | None,
        typer.Option(
            "--embed",
            metavar="MODEL",
            help="Train a projection of this model's vectors: openai:NAME, "
            "sentence-transformers:NAME, demo, or a command, as in `load`. The model "
            "itself stays as it is, and no GPU is needed.",
            show_default=False,
        ),
    ] = None,
    finetune: Annotated[
        str | None,
        typer.Option(
            "--finetune",
            metavar="MODEL",
            help="Train this model of sentence-transformers itself: a name on the "
            "Hugging Face hub, or a folder. Needs the extra `train`. Uses a GPU if "
            "there is one.",
            show_default=False,
        ),
    ] = None,
    anchor: Annotated[
        str,
        typer.Option(help="Column with the queries.", rich_help_panel=PAIRS),
    ] = "anchor",
    positive: Annotated[
        str,
        typer.Option(help="Column with the right answers.", rich_help_panel=PAIRS),
    ] = "positive",
    negative: Annotated[
        str | None,
        typer.Option(
            help="Column with wrong answers, if there are any. Right answers of other "
            "rows are wrong answers anyway.",
            rich_help_panel=PAIRS,
            show_default=False,
        ),
    ] = None,
    held_out: Annotated[
        int | None,
        typer.Option(
            help="Pairs that are not learnt from, and judge the result.  \\[default: a "
            "tenth, at most 1000]",
            rich_help_panel=PAIRS,
            show_default=False,
        ),
    ] = None,
    sizes: Annotated[
        str,
        typer.Option(
            help="Sizes that the loss includes, comma separated; the largest is the "
            "length of new vectors.  \\[default: 16, 32, 64 … and the model's own]",
            rich_help_panel=NEST,
            show_default=False,
        ),
    ] = "",
    weights: Annotated[
        str,
        typer.Option(
            help="What each size counts, in the same order.  \\[default: 1 each]",
            rich_help_panel=NEST,
            show_default=False,
        ),
    ] = "",
    dims_per_step: Annotated[
        int | None,
        typer.Option(
            help="Sizes, drawn at random, that one step includes. Fewer are faster.  "
            "\\[default: all]",
            rich_help_panel=NEST,
            show_default=False,
        ),
    ] = None,
    two_d: Annotated[
        bool,
        typer.Option(
            "--two-d",
            help="Train earlier layers, too (Matryoshka2dLoss), so that layers can be "
            "left out for speed.",
            rich_help_panel=MODEL,
        ),
    ] = False,
    base_loss: Annotated[
        str | None,
        typer.Option(
            help="The loss of sentence-transformers at each size.  \\[default: "
            "MultipleNegativesRankingLoss]",
            rich_help_panel=MODEL,
            show_default=False,
        ),
    ] = None,
    device: Annotated[
        str | None,
        typer.Option(
            help="cuda, cuda:1, mps or cpu. One that is not there is refused.  "
            "\\[default: a GPU if there is one]",
            rich_help_panel=MODEL,
            show_default=False,
        ),
    ] = None,
    epochs: Annotated[
        int | None,
        typer.Option(
            help="Times that all pairs are seen.  \\[default: 10; 1 with --finetune]",
            rich_help_panel=STEPS,
            show_default=False,
        ),
    ] = None,
    batch: Annotated[
        int | None,
        typer.Option(
            help="Pairs in a step. More are a harder task, and need more memory.  "
            "\\[default: 512; 64 with --finetune]",
            rich_help_panel=STEPS,
            show_default=False,
        ),
    ] = None,
    rate: Annotated[
        float | None,
        typer.Option(
            help="Learning rate.  \\[default: 0.001; with --finetune 0.00002, and "
            "for static models a fiftieth of the size of their weights]",
            rich_help_panel=STEPS,
            show_default=False,
        ),
    ] = None,
    seed: Annotated[
        int, typer.Option(help="Seed of all that is drawn.", rich_help_panel=STEPS)
    ] = 0,
    restart: Annotated[
        bool,
        typer.Option(
            "--restart",
            help="Do not go on from what an interrupted run left.",
            rich_help_panel=STEPS,
        ),
    ] = False,
    model: ModelName = None,
    embed_url: EmbedUrl = None,
    requests_per_minute: RequestsPerMinute = None,
    price: Annotated[
        float | None,
        typer.Option(
            "--price",
            help="Dollars for a million tokens, for the cost that is told first.",
            rich_help_panel="Texts and their model",
            show_default=False,
        ),
    ] = None,
    yes: Annotated[
        bool,
        typer.Option(
            "--yes",
            "-y",
            help="Do not ask before texts are sent to a hosted model.",
            rich_help_panel="Texts and their model",
        ),
    ] = False,
    as_json: Json = False,
) -> None:
    """Train short vectors that find more, on pairs of queries and right answers.

    With --embed, it trains a projection: a matrix by which the vectors of a model are
    multiplied, so that the first 32, 64 or 128 numbers say more. It takes seconds to
    minutes without a GPU. All sizes share that matrix, and each takes its first
    columns (the form MRL-E). Load and search with it by --projection. Rows that were
    loaded without it have to be embedded again.

    Example: mrl-pg train pairs.jsonl docs.proj --embed openai:text-embedding-3-small

    Example: mrl-pg load docs.jsonl docs embedding --embed openai:text-embedding-3-small
    --projection docs.proj

    With --finetune, it trains the model itself with a Matryoshka loss.

    Example: mrl-pg train pairs.jsonl my-model --finetune intfloat/e5-small-v2

    The table that it prints compares prefixes before and after, on pairs that were held
    out: `hit@10` is the share of queries whose right answer is among the first 10,
    `recall` the share of the 10 nearest rows by full vectors that prefixes find. It
    says if a rotation, which needs no training, does as well. After an interruption,
    run the same command again: it goes on from the last epoch.
    """
    from mrl_pg.embed import embedder
    from mrl_pg.train import (
        Nesting,
        Schedule,
        read_pairs,
        train_model,
        write_projection,
    )

    asked: dict[str, Any] = {
        "name": model,
        "url": embed_url,
        "requests_per_minute": requests_per_minute,
    }
    if (embed is None) == (finetune is None):
        raise InvalidSetting(
            "nothing to train: give --embed MODEL for a projection of its vectors, or "
            "--finetune MODEL to train the model itself, and not both"
        )
    if embed is not None:
        of_models = {"--two-d": two_d, "--base-loss": base_loss, "--device": device}
        for option in (name for name, value in of_models.items() if value):
            raise InvalidSetting(
                f"{option} is for --finetune: a projection is trained in NumPy, with "
                "one loss"
            )
    else:
        refuse_without_model({**asked, "price": price})
    schedule = Schedule(epochs=epochs, batch=batch, rate=rate, seed=seed)
    shared: dict[str, Any] = {
        "schedule": schedule,
        "held_out": held_out,
        "restart": restart,
        "nesting": Nesting(
            tuple(int(size) for size in numbers("--sizes", sizes)),
            numbers("--weights", weights),
            dims_per_step,
        ),
    }
    pairs = read_pairs(file, anchor=anchor, positive=positive, negative=negative)
    with bar("starting") as update:
        shared["progress"] = shown_by(update)
        if finetune is not None:
            if base_loss is not None:
                shared["base_loss"] = base_loss
            report = train_model(
                pairs, out, model=finetune, two_d=two_d, device=device, **shared
            )
        elif embed is not None:
            chosen = embedder(embed, **asked)
            report = write_projection(
                pairs,
                out,
                embedder=chosen,
                price=price,
                confirm=Confirmation(yes=yes) if chosen.hosted else None,
                **shared,
            )
    typer.echo(json.dumps(report.as_dict(), indent=2) if as_json else str(report))
    say(f"wrote {out}")
