"""`mrl-pg tune`: finds the best size, kind and settings for the rows of a table."""

import json
from pathlib import Path
from typing import Annotated, cast

import typer

from mrl_pg import report as reports
from mrl_pg.arguments import split_table
from mrl_pg.cli.bar import bar, shown_by
from mrl_pg.cli.describe import (
    Column,
    DistanceName,
    EfConstruction,
    M,
    Table,
)
from mrl_pg.cli.options import PG_DEFAULT, Directory, Dsn, Json, Pg, connection, say
from mrl_pg.errors import InvalidSetting
from mrl_pg.kinds import KINDS, Distance, Kind
from mrl_pg.tune import tune as choose

QUERIES = "Queries"
WORK = "How much work"

K = Annotated[int, typer.Option("--k", "-k", help="Rows in an answer.")]
Target = Annotated[
    float,
    typer.Option(
        "--recall", help="Share of the true k nearest rows that answers must contain."
    ),
]
Model = Annotated[
    str | None,
    typer.Option(help="Embedding model: its published sizes are tried as well."),
]
Sizes = Annotated[
    str,
    typer.Option(
        help="Sizes to try, comma separated. Default: 64, 128, 256 … and the model's.",
        show_default=False,
    ),
]
Kinds = Annotated[str, typer.Option(help=f"Kinds to try: {', '.join(KINDS)}.")]
Plan = Annotated[
    bool,
    typer.Option(
        "--plan",
        help="Only read and predict: build nothing. Needs only the right to select.",
        rich_help_panel=WORK,
    ),
]
Tries = Annotated[
    int,
    typer.Option(help="Most indexes to build and measure.", rich_help_panel=WORK),
]
Rival = Annotated[
    bool | None,
    typer.Option(
        "--rival/--no-rival",
        help="Also measure one pass over full vectors; its index builds longest. "
        "Default: only if the index fits in the server's memory.",
        rich_help_panel=WORK,
        show_default=False,
    ),
]
BetterGraph = Annotated[
    bool | None,
    typer.Option(
        "--better-graph/--no-better-graph",
        help="Also build the fastest of the indexes with more links per node, within "
        "the time that an index over full vectors takes. Default: from 10,000 rows.",
        rich_help_panel=WORK,
        show_default=False,
    ),
]
Store = Annotated[
    bool | None,
    typer.Option(
        "--storage/--no-storage",
        help="If full vectors are in TOAST and would fit in the row, time the best "
        "settings both ways, on a second copy. Default: only if the copy takes at "
        "most 2 GB.",
        rich_help_panel=WORK,
        show_default=False,
    ),
]
Rotate = Annotated[
    bool | None,
    typer.Option(
        "--rotation/--no-rotation",
        help="Also judge, on rows that it was not fitted on, whether a rotation of all "
        "rows makes prefixes find more; if so, try sizes of rotated rows. Default: up "
        "to 4096 dimensions.",
        rich_help_panel=WORK,
        show_default=False,
    ),
]
SampleRows = Annotated[
    int,
    typer.Option(
        help="Most rows to read; from a larger table, a random sample.",
        rich_help_panel=WORK,
    ),
]
Seed = Annotated[
    int,
    typer.Option(
        help="Seed for the random choice of rows and queries.", rich_help_panel=WORK
    ),
]
Count = Annotated[
    int,
    typer.Option("--sample", help="Most queries to use.", rich_help_panel=QUERIES),
]
QueriesFile = Annotated[
    Path | None,
    typer.Option(
        "--queries",
        metavar="FILE",
        help="File of query vectors: .npy, .jsonl, .csv, .parquet or another file that "
        "`load` reads; from its column COLUMN, if the file has column names.",
        rich_help_panel=QUERIES,
    ),
]
QueriesSql = Annotated[
    str | None,
    typer.Option(
        metavar="SELECT",
        help='Statement that selects query vectors: "select embedding from asked".',
        rich_help_panel=QUERIES,
    ),
]
RealQueries = Annotated[
    bool | None,
    typer.Option(
        "--real-queries/--no-real-queries",
        help="Use the stored real queries (see `mrl-pg queries`), or rows. Default: "
        "real queries if at least 100 are stored, else rows.",
        rich_help_panel=QUERIES,
        show_default=False,
    ),
]
Minutes = Annotated[
    float | None,
    typer.Option(
        help="Stop about then, with the best found so far. Reading the rows is not "
        "cut short; for less of that, lower --sample-rows.",
        rich_help_panel=WORK,
        show_default=False,
    ),
]

Memory = Annotated[
    str | None,
    typer.Option(
        metavar="SIZE",
        help="Choose for a server with so much memory for the table and its indexes, "
        "such as 3GB. What does not fit is read from disk: predicted, and as root on "
        "Linux, with the server on this machine, measured under a limit.",
        rich_help_panel=WORK,
        show_default=False,
    ),
]

SHOW = "What to show"
Page = Annotated[
    Path | None,
    typer.Option(
        "--report",
        metavar="FILE",
        help="Write a page with curves, tables and examples to FILE, such as "
        "report.html.",
        rich_help_panel=SHOW,
    ),
]
Show = Annotated[
    str,
    typer.Option(
        metavar="COLUMN[,COLUMN]",
        help="Columns that examples in --report and --json show, each cut to 80 "
        "characters. Default: only the primary key, because reports are passed on.",
        rich_help_panel=SHOW,
        show_default=False,
    ),
]
Plots = Annotated[
    Path | None,
    typer.Option(
        "--plots",
        metavar="FOLDER",
        help="Write each plot as PNG and SVG.",
        rich_help_panel=SHOW,
    ),
]


def tune(
    table: Table,
    column: Column,
    k: K = 10,
    recall: Target = 0.99,
    distance: DistanceName = "cosine",
    model: Model = None,
    sizes: Sizes = "",
    kinds: Kinds = "halfvec,bit",
    m: M = 16,
    ef_construction: EfConstruction = 64,
    plan: Plan = False,
    tries: Tries = 3,
    rival: Rival = None,
    better_graph: BetterGraph = None,
    storage: Store = None,
    rotation: Rotate = None,
    sample: Count = 500,
    queries_file: QueriesFile = None,
    queries_sql: QueriesSql = None,
    real_queries: RealQueries = None,
    sample_rows: SampleRows = 200_000,
    seed: Seed = 0,
    minutes: Minutes = None,
    memory: Memory = None,
    report: Page = None,
    plots: Plots = None,
    show: Show = "",
    dsn: Dsn = None,
    directory: Directory = None,
    pg: Pg = PG_DEFAULT,
    as_json: Json = False,
) -> None:
    """Find the size, kind and settings of a short index that reach a recall.

    Reads the rows once, computes the exact answers of the queries, and predicts from
    the same pass what every size and kind would find. Then copies the rows it read
    into a temporary schema, builds the few indexes that could be best, measures them,
    and recommends one, with the commands: create, calibrate, search --recall. If an
    exact search is fast enough, or one pass over full vectors is faster, it says so
    first, and from how many rows to come back.

    Real queries are best: --queries, or stored ones. Rows are easier to find than what
    people ask, so with rows as queries the target is stricter, and may not be enough.

    Your table is never written to. Its rows are read some pages at a time, so that no
    lock on it and no snapshot is held for long. The copy and the indexes live in a
    schema of their own, which is dropped at the end, also after Ctrl-C. They need disk
    space while tune runs. If tune is killed, the next run drops what it left.

    Example: mrl-pg tune docs embedding --k 10 --recall 0.99 --queries asked.npy
    """
    if report is not None or plots is not None:
        reports.ready(report, plots)
    schema, bare = split_table(table)
    with connection(dsn, directory, pg) as conn, bar("starting") as update:
        tuning = choose(
            conn,
            bare,
            column,
            k=k,
            recall=recall,
            distance=cast(Distance, distance),
            schema=schema,
            model=model,
            sizes=numbers(sizes),
            # `choose` checks the kinds, and its error names the choices
            kinds=[cast(Kind, kind.strip()) for kind in kinds.split(",")],
            m=m,
            ef_construction=ef_construction,
            plan=plan,
            tries=tries,
            rival=rival,
            better_graph=better_graph,
            storage=storage,
            rotation=rotation,
            sample=sample,
            queries_file=queries_file,
            queries_sql=queries_sql,
            real_queries=real_queries,
            sample_rows=sample_rows,
            seed=seed,
            minutes=minutes,
            memory=memory,
            show=[name.strip() for name in show.split(",")] if show else (),
            progress=shown_by(update),
        )
    typer.echo(json.dumps(tuning.as_dict(), indent=2) if as_json else str(tuning))
    if report is not None:
        say(f"wrote {reports.write(tuning, report)}")
    if plots is not None:
        say(f"wrote {len(reports.write_plots(tuning, plots))} files to {plots}")


def numbers(sizes: str) -> list[int] | None:
    """The sizes in the option; None for the default sizes."""
    try:
        return [int(part) for part in sizes.split(",")] if sizes else None
    except ValueError as error:
        raise InvalidSetting(
            f"--sizes {sizes!r}: write whole numbers with commas, such as 128,256,512"
        ) from error
