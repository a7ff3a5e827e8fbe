"""`mrl-pg plan`: what an index takes at a size that you do not have yet."""

import json
from typing import Annotated, cast

import typer

from mrl_pg.cli.options import Json
from mrl_pg.errors import InvalidSetting
from mrl_pg.load.destination import VectorKind

Rows = Annotated[
    str,
    typer.Option(
        metavar="NUMBER",
        help="How many rows the table will have: 50000000, 50_000_000 or 5e7.",
    ),
]
Memory = Annotated[
    str,
    typer.Option(
        metavar="SIZE",
        help="Memory of one node, with its unit: 64GB. Three quarters of it are for "
        "the index and the table, a quarter for one build at a time.",
    ),
]
Kind = Annotated[
    str | None,
    typer.Option(
        metavar="bit|halfvec|vector",
        help="The kind of the index. Default: compare two passes over bits and over a "
        "prefix with one pass.",
        show_default=False,
    ),
]
Short = Annotated[
    int | None,
    typer.Option(
        help="Dimensions of the index; as many as --dims mean one pass.  \\[default: "
        "all of kind bit, else 256]",
        show_default=False,
    ),
]


def plan(
    rows: Rows,
    dims: Annotated[int, typer.Option(help="Dimensions of the full vectors.")],
    memory: Memory,
    kind: Kind = None,
    short: Short = None,
    full: Annotated[
        str,
        typer.Option(metavar="vector|halfvec", help="Type of the full vectors."),
    ] = "vector",
    recall: Annotated[
        float, typer.Option(help="Share of the true ten nearest rows to find.")
    ] = 0.95,
    m: Annotated[int, typer.Option("--m", help="Links per node of the graph.")] = 16,
    as_json: Json = False,
) -> None:
    """Work out what an index will take: disk, memory, nodes, CPU and reads.

    No server is needed. The figures are lines through what was measured on up to a
    million sentences of 1536 dimensions. What lies outside of that is marked with ~ as
    extrapolated. Take it for an order of magnitude, and measure your own rows with
    `mrl-pg tune` and `mrl-pg bench`.

    - A million rows on a small server:
      mrl-pg plan --rows 1e6 --dims 1536 --memory 8GB

    - A billion, on nodes of 64 GB, with bits alone and full vectors in half precision:
      mrl-pg plan --rows 1e9 --dims 1536 --memory 64GB --kind bit --full halfvec

    - One pass over all dimensions: mrl-pg plan --rows 1e7 --dims 1024 --memory 64GB
      --kind halfvec --short 1024

    docs/scale.md explains each line.
    """
    from mrl_pg import scale
    from mrl_pg.scale.text import text

    plans = scale.plan(
        _number(rows),
        dims,
        memory=memory,
        kind=kind,
        short=short,
        full=cast(VectorKind, full),
        recall=recall,
        m=m,
    )
    if as_json:
        typer.echo(json.dumps([each.as_dict() for each in plans], indent=1))
    else:
        typer.echo(text(plans))


def _number(rows: str) -> float:
    try:
        return float(rows)
    except ValueError as error:
        raise InvalidSetting(
            f"--rows {rows!r} is not a number: pass how many rows the table will have, "
            "such as 50000000 or 5e7"
        ) from error
