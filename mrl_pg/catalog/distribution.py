"""How Citus spreads a table over machines, and what is refused of such a table."""

from dataclasses import dataclass

from mrl_pg.errors import SpreadTable

HASH = "h"
"""What the catalog of Citus calls a table whose rows a hash of a column places."""


NOT_MEASURED = (
    "what is measured names rows by their places, which say nothing on another "
    "machine: measure a sample of the rows in a local table, as docs/citus.md shows"
)


@dataclass(frozen=True, slots=True)
class Distribution:
    """The shards of a table, and the column whose value says on which one a row is.

    Tables without a `column` have one shard: reference tables, of which each machine
    has a copy, tables of schema-based sharding, and tables that Citus keeps local.
    `hashed`: a hash of the value places the row, so that a value is on one shard.
    """

    column: str | None
    shards: int
    hashed: bool = True


def refuse_spread(where: str, distribution: Distribution | None, instead: str) -> None:
    """Raise SpreadTable for a table that Citus spreads; `instead` is the way out."""
    if distribution is None:
        return
    shards = "1 shard" if distribution.shards == 1 else f"{distribution.shards} shards"
    raise SpreadTable(f"{where} is a table of Citus, with {shards}: {instead}")
