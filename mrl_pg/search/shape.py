"""The shape of a search: all of it except the query and the filter's values."""

from dataclasses import dataclass

from mrl_pg.catalog.facts import Facts
from mrl_pg.layout import IndexLayout
from mrl_pg.search.effort import Effort
from mrl_pg.search.options import MAX_EF_SEARCH
from mrl_pg.search.shards import per_shard, shards_asked
from mrl_pg.search.words import WordRanking


@dataclass(frozen=True, slots=True)
class Shape:
    """All that decides the text of a statement; equal shapes share a statement.

    `words` says how words rank rows, if the search is hybrid; `effort` then is that of
    the vectors alone.

    `part_column` has the number of a row's part, if only some parts are searched.

    `named` says how the values of `filter` are written: `%(name)s` or `%s`.
    `encoding` is the encoding of the text that is sent, by Python's name. `losses`
    counts how often the server had lost a statement that was prepared on the
    connection, or had another statement of that name. Each loss changes the text, and
    so the name.
    """

    layout: IndexLayout
    facts: Facts
    effort: Effort
    columns: tuple[str, ...]
    filter: str | None
    named: bool
    encoding: str = "utf-8"
    losses: int = 0
    words: WordRanking | None = None
    part_column: str | None = None

    @property
    def asks_rotations(self) -> bool:
        """Whether its stamp changes with rotations, because no index does."""
        return self.effort.scan == "exact" and self.facts.has_rotations

    @property
    def stamp(self) -> int:
        """The stamp that the statement returns while the facts are true."""
        facts = self.facts
        return facts.stamp ^ (facts.rotation_stamp if self.asks_rotations else 0)

    @property
    def wanted(self) -> int | None:
        """How many candidates are enough.

        With a filter these are k, because to count the rows that it lets through may
        cost more than the search. If only some parts are searched, too, because these
        may hold fewer rows.
        """
        filtered = self.filter is not None or self.facts.row_security
        filtered = filtered or self.part_column is not None
        return self.effort.k if filtered else self.effort.candidates

    @property
    def is_spread(self) -> bool:
        """Whether Citus spreads the table over shards."""
        return self.facts.distribution is not None

    @property
    def shards(self) -> int | None:
        """How many shards are asked; None if not known, or if the table has none."""
        distribution = self.facts.distribution
        return None if distribution is None else shards_asked(distribution, self.filter)

    @property
    def width(self) -> int | None:
        """`hnsw.ef_search` of the scan, on a table of shards of that on each shard.

        None for an exact search.
        """
        effort, distribution = self.effort, self.facts.distribution
        if effort.ef_search is None or distribution is None:
            return effort.ef_search
        whole = max(effort.ef_search, effort.candidates or 0)
        mixed = distribution.hashed and self.facts.keys == (distribution.column,)
        return min(per_shard(whole, self.shards, mixed=mixed), MAX_EF_SEARCH)

    @property
    def ends_early(self) -> bool:
        """Whether each shard finds its part of the candidates in one step of a scan."""
        width = self.width
        return self.is_spread and width is not None and width < MAX_EF_SEARCH
