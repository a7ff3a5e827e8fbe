"""`mrl-pg queries`: stores a share of the real queries or of their distances."""

import json
from datetime import datetime
from typing import Annotated

import typer

from mrl_pg.calibration import real_queries
from mrl_pg.catalog.read import read_facts
from mrl_pg.cli.describe import Column, Table, describe
from mrl_pg.cli.options import PG_DEFAULT, Directory, Dsn, Json, Pg, connection, say
from mrl_pg.errors import InvalidSetting
from mrl_pg.exchange import run


def queries(
    table: Table,
    column: Column,
    share: Annotated[
        float | None,
        typer.Option(
            help="Store this share of the queries, such as 0.01; 0 stores no more."
        ),
    ] = None,
    distances: Annotated[
        float | None,
        typer.Option(
            help="Store this share of the distances of answers: numbers, and nothing "
            "of the queries; 0 stores no more."
        ),
    ] = None,
    most: Annotated[
        int | None,
        typer.Option(
            help="Most queries or distances to store. After that, a new one replaces a "
            "random stored one.  \\[default: unchanged, 1000 at first]"
        ),
    ] = None,
    forget: Annotated[
        bool, typer.Option("--forget", help="Delete the stored queries and distances.")
    ] = False,
    before: Annotated[
        datetime | None,
        typer.Option(
            metavar="DAY",
            formats=["%Y-%m-%d"],
            help="With --forget: delete only what was stored before this day (UTC).",
        ),
    ] = None,
    dsn: Dsn = None,
    directory: Directory = None,
    pg: Pg = PG_DEFAULT,
    as_json: Json = False,
) -> None:
    """Store a share of the real queries, for calibrations with them; off by default.

    Your application offers each query of a search with `index.keep_query(conn, query)`
    in Python or mrl.keep_query in SQL. With --real-queries, `calibrate`, `recall` and
    `tune` use the stored queries. Without options, this command shows the share and the
    number of stored queries. Only the owner of the table may use it.

    A query is stored as its vector, with the day. Embeddings can be turned back into
    text, so protect them like the text that your users typed. If you must not store
    queries, store --distances: `index.keep_distance(conn, result)` offers how far the
    last answer of a search is, a number that says nothing of the query.

    Example: mrl-pg queries docs embedding --share 0.01
    """
    # the size does not matter, because queries belong to the full column
    index = describe(table, column, 1, "halfvec", "cosine")
    if most is not None and share is None and distances is None:
        raise InvalidSetting(
            f"--most {most} needs --share or --distances: give one of them, too"
        )
    if before is not None and not forget:
        raise InvalidSetting("--before needs --forget: give --forget, too")
    with connection(dsn, directory, pg) as conn:
        # raises an error that says whether the table or the column is missing
        run(conn, read_facts(index))
        if share is not None:
            run(conn, real_queries.sample_queries(index, share=share, most=most))
        if distances is not None:
            sampling = real_queries.sample_distances(index, share=distances, most=most)
            run(conn, sampling)
        if forget:
            day = None if before is None else before.date()
            deleted = run(conn, real_queries.forget_queries(index, before=day))
            say(f"deleted {deleted} queries and distances")
        state = run(conn, real_queries.in_force(index))
    typer.echo(json.dumps(state.as_dict(), indent=2) if as_json else f"{state}")
