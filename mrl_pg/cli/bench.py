"""`mrl-pg bench`: mrl_pg beside other ways to search the same vectors."""

import json
from pathlib import Path
from typing import Annotated, cast

import typer

from mrl_pg.cli.bar import bar, shown_by
from mrl_pg.cli.options import PG_DEFAULT, Json, Pg, say
from mrl_pg.errors import InvalidSetting
from mrl_pg.kinds import Distance
from mrl_pg.load.destination import Storage

DATA = "Rows and queries"
WORK = "How much work"
HOW = "How indexes are built"

File = Annotated[
    Path | None,
    typer.Argument(
        metavar="FILE",
        help="Vectors: .npy, .parquet, .jsonl or another file that `load` reads, or "
        ".hdf5 with train and test, as ann-benchmarks has them. Default: WordNet's "
        "glosses from `mrl-pg demo`, with words as queries.",
        show_default=False,
    ),
]
QueriesFrom = Annotated[
    Path | None,
    typer.Option(
        help="A second file, whose vectors are the queries. Default: rows drawn at "
        "random, which are then not loaded.",
        rich_help_panel=DATA,
        show_default=False,
    ),
]
MadeUp = Annotated[
    int | None,
    typer.Option(
        help="Make up rows of so many dimensions, which are easier to search than real "
        "ones.",
        rich_help_panel=DATA,
    ),
]
Only = Annotated[
    str,
    typer.Option(
        help="Parts of names of contenders, comma separated: mrl_pg,halfvec.",
        rich_help_panel=WORK,
        show_default=False,
    ),
]
Out = Annotated[
    Path | None,
    typer.Option(
        "--out",
        metavar="DIR",
        help="Write result.json and the plots (SVG) into this folder.",
        show_default=False,
    ),
]


def bench(
    file: File = None,
    rows: Annotated[
        int, typer.Option(help="Most rows to load.", rich_help_panel=DATA)
    ] = 100_000,
    queries: Annotated[
        int, typer.Option(help="Most queries.", rich_help_panel=DATA)
    ] = 200,
    queries_from: QueriesFrom = None,
    column: Annotated[
        str,
        typer.Option(
            help="Where the file has the vectors, if it has columns.",
            rich_help_panel=DATA,
        ),
    ] = "embedding",
    made_up: MadeUp = None,
    distance: Annotated[
        str,
        typer.Option(
            help="cosine, l2 or ip.  \\[default: the file's, else cosine]",
            rich_help_panel=DATA,
            show_default=False,
        ),
    ] = "",
    seed: Annotated[
        int, typer.Option(help="Seed of all that is drawn.", rich_help_panel=DATA)
    ] = 0,
    k: Annotated[
        str,
        typer.Option(
            "--k",
            "-k",
            help="Rows in an answer; the first number is that of all sections.",
        ),
    ] = "10,1,100",
    recall: Annotated[
        float,
        typer.Option(help="The recall of the sections that compare at one recall."),
    ] = 0.95,
    dims: Annotated[
        int,
        typer.Option(
            help="Dimensions of short vectors.  \\[default: about a third]",
            rich_help_panel=HOW,
            show_default=False,
        ),
    ] = 0,
    m: Annotated[
        int,
        typer.Option("--m", help="Links per node of all graphs.", rich_help_panel=HOW),
    ] = 16,
    ef_construction: Annotated[
        int,
        typer.Option(
            help="Width of the search that builds the graphs.", rich_help_panel=HOW
        ),
    ] = 64,
    storage: Annotated[
        str,
        typer.Option(
            help="external: full vectors in TOAST, PostgreSQL's default above 2 kB. "
            "plain: in the row.",
            rich_help_panel=HOW,
        ),
    ] = "external",
    only: Only = "",
    without: Annotated[
        str,
        typer.Option(
            help="Parts of names of contenders to leave out.",
            rich_help_panel=WORK,
            show_default=False,
        ),
    ] = "",
    sections: Annotated[
        str,
        typer.Option(
            help="Sections after the fronts of the first k: fronts (of the other k), "
            "clients, filters, inserts, updates, deletes.  \\[default: all]",
            rich_help_panel=WORK,
            show_default=False,
        ),
    ] = "",
    rounds: Annotated[
        int, typer.Option(help="Rounds, in turns.", rich_help_panel=WORK)
    ] = 3,
    seconds: Annotated[
        float,
        typer.Option(help="Seconds of each window of a round.", rich_help_panel=WORK),
    ] = 1.0,
    memory: Annotated[
        str,
        typer.Option(
            help="Shares of the memory that the best single pass and its rows take, "
            "such as 0.1,0.2,0.4,0.7,1: the server is limited to each. Needs root on "
            "Linux.",
            rich_help_panel=WORK,
            show_default=False,
        ),
    ] = "",
    minutes: Annotated[
        float | None,
        typer.Option(
            help="Begin no section after so many minutes.", rich_help_panel=WORK
        ),
    ] = None,
    out: Out = None,
    pg: Pg = PG_DEFAULT,
    as_json: Json = False,
) -> None:
    """Measure mrl_pg beside other ways to search your vectors, in one run.

    The contenders are pgvector in one pass, the recipes of its manual for two passes,
    adaptive retrieval as published and mended, and in process hnswlib, Chroma and
    LanceDB. They get the same rows, the same graph parameters and a range of efforts,
    and take turns. They are compared at the same recall, measured against exact search.
    Contenders whose package is not installed are named and left out.

    It runs on a server of its own, in a temporary folder, so your data is safe. Expect
    some minutes for 100,000 rows.

    Example: mrl-pg bench embeddings.npy --rows 100000 --out bench
    """
    from mrl_pg import bench as benchmark
    from mrl_pg import report as reports
    from mrl_pg.bench.corpus import VectorSource
    from mrl_pg.bench.measure import Pace
    from mrl_pg.bench.plots import write_plots
    from mrl_pg.bench.table import summary, text

    request = benchmark.BenchRequest(
        source=VectorSource(
            file,
            queries_from,
            column,
            made_up,
            rows,
            queries,
            seed,
            cast(Distance, distance) if distance else None,
        ),
        ks=tuple(int(part) for part in numbers("--k", k)),
        target=recall,
        dims=dims,
        m=m,
        ef_construction=ef_construction,
        storage=cast(Storage, storage),
        only=parts(only),
        without=parts(without),
        pace=Pace(rounds, seconds),
        memory=numbers("--memory", memory),
        minutes=minutes,
        pg=pg,
        **({"sections": parts(sections)} if sections else {}),  # type: ignore[arg-type]
    )
    benchmark.ready(request)
    if out is not None:
        reports.ready(plots=out)
    with bar("starting") as update:
        result = benchmark.bench(request, shown_by(update))
    if as_json:
        typer.echo(json.dumps(result.as_dict(), indent=1, default=str))
    else:
        typer.echo(text(result))
        typer.echo(f"\n{summary(result, recall, request.k)}")
    if out is not None:
        written = write_plots(result, out)
        result.write(out / "result.json")
        say(f"wrote result.json and {len(written)} plots to {out}")


def parts(text: str) -> tuple[str, ...]:
    """The words of an option with commas."""
    return tuple(part.strip() for part in text.split(",") if part.strip())


def numbers(option: str, text: str) -> tuple[float, ...]:
    """The numbers of an option with commas."""
    try:
        return tuple(float(part) for part in parts(text))
    except ValueError as error:
        raise InvalidSetting(
            f"{option} {text!r}: write numbers with commas, such as 0.2,0.4"
        ) from error
