"""The shape of a search: all of it but the query and the values of its filter."""

from dataclasses import dataclass

from mrl_pg.catalog.facts import Facts
from mrl_pg.layout import IndexLayout
from mrl_pg.search.effort import Effort


@dataclass(frozen=True, slots=True)
class Shape:
    """What decides the text of a statement; equal shapes share one.

    `named` says how the values of `filter` are written: `%(name)s` or `%s`.
    `encoding` is what text is sent in, as Python calls it. `losses` counts how often
    the server did not know a statement that had been prepared on the connection, or
    knew another one of its name: after each the text, and so the name, is another one.
    """

    layout: IndexLayout
    facts: Facts
    effort: Effort
    columns: tuple[str, ...]
    filter: str | None
    named: bool
    encoding: str = "utf-8"
    losses: int = 0
