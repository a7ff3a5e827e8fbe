"""`mrl-pg queries`: has real queries kept, shows how many there are, forgets them."""

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
            help="Keep this share of the queries, such as 0.01; 0 keeps no more."
        ),
    ] = None,
    most: Annotated[
        int | None,
        typer.Option(
            help="Keep this many at most, 1000 at first; a new one takes the place of "
            "a random one."
        ),
    ] = None,
    forget: Annotated[
        bool, typer.Option("--forget", help="Delete those that were kept.")
    ] = False,
    before: Annotated[
        datetime | None,
        typer.Option(
            metavar="DAY",
            formats=["%Y-%m-%d"],
            help="With --forget: those kept before this day (UTC), no others.",
        ),
    ] = None,
    dsn: Dsn = None,
    directory: Directory = None,
    pg: Pg = PG_DEFAULT,
    as_json: Json = False,
) -> None:
    """Keep a share of the real queries, to calibrate on what is asked; off at first.

    Applications offer theirs by `index.keep_query(conn, query)`, or mrl.keep_query in
    SQL, beside each search. With --real-queries, `calibrate`, `recall` and `tune` ask
    with what was kept.
    Without options shows what is in force. Only the owner of the table may.

    A query is kept as its vector, with the day. Embeddings can be turned back into
    text: treat them like what your users typed.

    Example: mrl-pg queries docs embedding --share 0.01
    """
    # of the whole column, whichever its short ones are
    index = describe(table, column, 1, "halfvec", "cosine")
    if most is not None and share is None:
        raise InvalidSetting(f"--most {most} says how many: give --share, too")
    if before is not None and not forget:
        raise InvalidSetting("--before says which to delete: give --forget, too")
    with connection(dsn, directory, pg) as conn:
        # says which of table and column is not there
        run(conn, read_facts(index))
        if share is not None:
            run(conn, real_queries.sample_queries(index, share=share, most=most))
        if forget:
            day = None if before is None else before.date()
            deleted = run(conn, real_queries.forget_queries(index, before=day))
            say(f"deleted {deleted} queries")
        found = run(conn, real_queries.in_force(index))
    typer.echo(json.dumps(found.as_dict(), indent=2) if as_json else f"{found}")
