"""Rows of a result: a table on a terminal, lines with tabs in a pipe or a file."""

import sys
from collections.abc import Sequence

import typer

ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})
"""As in COPY's text format, so that a row is a line and a tab ends a field."""


def show(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print rows on stdout, and the heads above them; nothing is ever cut.

    On a terminal, what is too long for a column goes on in the next line. Elsewhere the
    fields are separated by tabs.
    """
    if sys.stdout.isatty():
        _table(heads, rows)
        return
    for row in (heads, *rows):
        typer.echo("\t".join(field.translate(ESCAPES) for field in row))


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    # imported here, because a pipe needs none of it
    from rich import box
    from rich.console import Console
    from rich.table import Column, Table
    from rich.text import Text

    columns = (Column(head, overflow="fold") for head in heads)
    table = Table(*columns, box=box.SIMPLE_HEAD)
    for row in rows:
        # text, because names may look like markup
        table.add_row(*map(Text, row))
    Console().print(table)
