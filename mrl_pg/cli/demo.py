"""`mrl-pg demo`: a reverse dictionary, searched in two passes."""

import json
import sys
from dataclasses import asdict
from itertools import zip_longest
from typing import Annotated

import typer
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from mrl_pg.cli.bar import bar, shown_by
from mrl_pg.cli.options import PG_DEFAULT, Directory, Dsn, Json, Pg, connection, say
from mrl_pg.demo import contest as contests
from mrl_pg.demo import dictionary as dictionaries
from mrl_pg.demo.corpus import EXAMPLES
from mrl_pg.demo.dictionary import Answers, FoundGloss
from mrl_pg.errors import InvalidVector
from mrl_pg.exchange import Conn
from mrl_pg.index import MatryoshkaIndex
from mrl_pg.recall.score import three_digits

Queries = Annotated[
    list[str] | None,
    typer.Option(
        "--query", "-q", metavar="TEXT", help="Describe a word; may be repeated."
    ),
]
Rows = Annotated[
    int | None,
    typer.Option(
        help="Glosses to load, evenly spread over the dictionary.  "
        "\\[default: all 117,659]"
    ),
]
Compare = Annotated[bool, typer.Option(help="Compare one pass with two passes.")]


def demo(
    query: Queries = None,
    rows: Rows = None,
    compare: Compare = True,
    dsn: Dsn = None,
    directory: Directory = None,
    pg: Pg = PG_DEFAULT,
    as_json: Json = False,
) -> None:
    """Find words by their meaning: search WordNet's glosses in two passes.

    Embeds the glosses with a small Matryoshka model that ships with mrl_pg, loads
    them into the schema mrl_demo (replaced each time), builds a short index, answers
    the queries, and compares one pass with two passes on these rows. On a terminal it
    then asks you for more queries.

    Example: mrl-pg demo --query "fear of spiders" --no-compare
    """
    console = Console()
    with connection(dsn, directory, pg) as conn:
        with bar("starting") as update:
            progress = shown_by(update)
            words = dictionaries.read(rows, progress)
            say(dictionaries.fill(conn, words, progress))
            if compare:
                update(description="adding the short columns", total=None)
                contests.add_columns(conn)
            index = dictionaries.index()
            update(description="building the short index", total=None)
            ready = index.create(conn)
        say(str(ready))
        texts = query or [text for text, _ in EXAMPLES]
        answers = [dictionaries.ask(conn, words.model, index, text) for text in texts]
        if not as_json and query is None:
            console.print(first_answers(answers))
        elif not as_json:
            for answer in answers:
                console.print(all_answers(answer))
        results = []
        if compare:
            with bar("starting") as update:
                results = contests.contest(conn, words, ready, shown_by(update))
        if as_json:
            figures = [asdict(built) for built in results]
            said = [asdict(answer) for answer in answers]
            typer.echo(json.dumps({"answers": said, "contest": figures}, indent=2))
            return
        if results:
            console.print(contest_table(results, len(words.glosses)))
        if query is None and sys.stdin.isatty():
            _prompt(conn, words, index, console)


HEADS = ("short pass alone", "two passes", "exact search")


def all_answers(answers: Answers) -> Table:
    """The answers of three searches to one text, nearest first."""
    title = escape(f'"{answers.text}"')
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD)
    for head in HEADS:
        table.add_column(head, ratio=1)
    for place in zip_longest(answers.short_pass, answers.two_passes, answers.exact):
        table.add_row(*(_worded(answer) for answer in place))
    return table


def first_answers(several: list[Answers]) -> Table:
    """The nearest answer of three searches to each text."""
    table = Table(box=box.SIMPLE_HEAD)
    for head in ("you say", *HEADS):
        table.add_column(head, ratio=1)
    for answers in several:
        found = (answers.short_pass, answers.two_passes, answers.exact)
        table.add_row(escape(answers.text), *(_worded(part[0]) for part in found))
    return table


def _worded(answer: FoundGloss | None) -> str:
    if answer is None:
        return ""
    words = answer.words.split(", ")
    more = ", …" if len(words) > 2 else ""
    return escape(f"{', '.join(words[:2])}{more} ({answer.distance:.2f})")


def contest_table(results: list[contests.ContestEntry], rows: int) -> Table:
    """Cost and recall of every index of the contest."""
    table = Table(
        title=f"{rows:,} rows, {contests.QUERIES} queries, k = {contests.K}; recall "
        "against exact search;\ntimes in ms. All built with m 16, ef_construction "
        f"{dictionaries.EF_CONSTRUCTION}. n is ef_search for one\npass over full "
        "vectors, candidates for two passes.",
        title_justify="left",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
    )
    table.add_column("index", no_wrap=True)
    for title in ("build s", "MB", "n", "recall", "95 %", "median", "p95"):
        table.add_column(title, justify="right", no_wrap=True)
    for built in results:
        head = (
            built.name,
            f"{built.build_seconds:.1f}",
            f"{built.index_bytes / 1e6:.0f}",
        )
        for setting, measured in built.measured:
            recall = measured.recall
            table.add_row(
                *head,
                str(setting),
                three_digits(recall.mean),
                f"{three_digits(recall.low)}-{three_digits(recall.high)}",
                f"{measured.median_ms:.2f}",
                f"{measured.p95_ms:.2f}",
            )
            head = ("", "", "")
    return table


def _prompt(
    conn: Conn,
    words: dictionaries.Dictionary,
    index: MatryoshkaIndex,
    console: Console,
) -> None:
    say("Describe a word (an empty line or Ctrl-D ends):")
    try:
        while text := console.input("> ").strip():
            try:
                answer = dictionaries.ask(conn, words.model, index, text)
            except InvalidVector as error:
                say(f"error: {error}")
                continue
            console.print(all_answers(answer))
    except (EOFError, KeyboardInterrupt):
        console.print()  # so that the shell's prompt starts on a new line
