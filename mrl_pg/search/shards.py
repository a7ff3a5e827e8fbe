"""How many shards of a table a search asks, and what each of them passes on."""

import math
import re
from functools import cache

from mrl_pg.catalog.distribution import Distribution

CUT = 0.001
"""The chance that a shard has more of the nearest rows than it passes on."""

LEAST_PER_SHARD = 40
"""What a shard passes on at least: the width at which pgvector searches by default."""

ONE_VALUE = r"(?:[\w.]+\.)?COLUMN\s*=\s*(?:%s|''|-?\d+)(?:::[\w.]+)?"
"""A condition that only rows of one shard fulfil, with its values left out."""

OTHER_MEANING = re.compile(r"[()]|--|/\*|\$|\b(?:or|not|case|between)\b", re.IGNORECASE)
"""Where "and" or a comparison may mean another thing than a condition of its own."""


@cache
def shards_asked(distribution: Distribution, filter: str | None) -> int | None:
    """How many shards a search asks; None if a filter may leave out some of them.

    1 if parts of the filter are joined by "and" and one of them gives the distribution
    column a value. Whatever this says, Citus asks the shards that it must.
    """
    column, shards = distribution.column, distribution.shards
    if shards == 1 or column is None or filter is None:
        return shards
    # without values, in which any word may stand
    text = re.sub(r"%\(\w+\)s", "%s", re.sub(r"'[^']*'", "''", filter))
    escaped = re.escape(column)
    if not re.search(rf"(?<!\w){escaped}(?!\w)", text, re.IGNORECASE):
        return shards
    if not distribution.hashed or OTHER_MEANING.search(text):
        return None
    one = ONE_VALUE.replace("COLUMN", f'(?:{escaped}|"{escaped}")')
    parts = re.split(r"\band\b", text, flags=re.IGNORECASE)
    found = any(re.fullmatch(one, part.strip(), re.IGNORECASE) for part in parts)
    return 1 if found else None


@cache
def per_shard(whole: int, shards: int | None, *, mixed: bool) -> int:
    """How many of the `whole` number of candidates each shard passes on.

    With unknown shards the whole number, because there may be only one.

    `mixed`: a hash of the whole key places rows, so that the nearest rows fall on
    shards as dice do, and their number on one shard is binomial. The answer is the
    least number that any shard has to exceed with a chance below CUT. Otherwise rows
    that belong together, and perhaps all that are near, are on one shard, which passes
    on half of the whole.
    """
    if shards is None or shards == 1:
        return whole
    least = _quantile(whole, shards) if mixed else -(-whole // 2)
    return min(whole, max(LEAST_PER_SHARD, least))


def _quantile(whole: int, shards: int) -> int:
    """The least number that any of the shards exceeds with a chance below CUT."""
    share = 1 / shards
    exactly = (1 - share) ** whole
    if exactly < 1e-300:
        # of so many, the mean and six standard deviations
        return round(whole * share + 6 * math.sqrt(whole * share * (1 - share)))
    number, at_most = 0, exactly
    while shards * (1 - at_most) > CUT and number < whole:
        exactly *= (whole - number) / (number + 1) * share / (1 - share)
        number += 1
        at_most += exactly
    return number
