"""How Citus spreads a table over machines, and what is refused of such a table."""

from dataclasses import dataclass

from mrl_pg.errors import SpreadTable

HASH = "h"
"""What the catalog of Citus calls a table whose rows a hash of a column places."""


@dataclass(frozen=True, slots=True)
class Distribution:
    """The shards of a table: each row is on the shard that its `column` names.

    Tables without a `column` have one shard: reference tables, of which each machine
    has a copy, tables of schema-based sharding, and tables that Citus keeps local.
    """

    column: str | None
    shards: int


def refuse_spread(where: str, distribution: Distribution | None, instead: str) -> None:
    """Raise SpreadTable for a table that Citus spreads; `instead` is the way out."""
    if distribution is None:
        return
    shards = "1 shard" if distribution.shards == 1 else f"{distribution.shards} shards"
    raise SpreadTable(f"{where} is a table of Citus, with {shards}: {instead}")
