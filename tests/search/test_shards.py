"""How many shards a search asks, and how many candidates each passes on."""

import numpy as np
import pytest

from mrl_pg.catalog.distribution import Distribution
from mrl_pg.search.shards import CUT, LEAST_PER_SHARD, per_shard, shards_asked

BY_TENANT = Distribution("tenant", 8)


@pytest.mark.parametrize(
    ("filter", "shards"),
    [
        (None, 8),
        ("lang = 'fr'", 8),
        ("subtenant = 1", 8),
        ("lang = 'tenant = 1'", 8),
        ("tenant = 1", 1),
        ("Tenant=-3", 1),
        ('"tenant" = %s', 1),
        ("docs.tenant = %(tenant)s and lang = 'fr'", 1),
        ("lang = 'b and c' and tenant = 'a or b'", 1),
        ("tenant = %s::bigint\n  and lang <> 'x'", 1),
        # Citus may ask fewer, and this does not say how many
        ("tenant in (1, 2)", None),
        ("tenant = 1 or lang = 'fr'", None),
        ("(tenant = 1 and lang = 'fr') is not true", None),
        ("not tenant = 1", None),
        ("tenant > 1", None),
        ("tenant = parent", None),
        ("tenant = 1 -- and more", None),
    ],
)
def test_a_value_of_the_distribution_column_leaves_one_shard(
    filter: str | None, shards: int | None
) -> None:
    assert shards_asked(BY_TENANT, filter) == shards


def test_a_table_without_a_distribution_column_has_one_shard() -> None:
    assert shards_asked(Distribution(None, 1), None) == 1
    assert shards_asked(Distribution(None, 1), "tenant in (1, 2)") == 1


def test_a_value_of_a_range_may_be_on_several_shards() -> None:
    by_range = Distribution("tenant", 8, hashed=False)
    assert shards_asked(by_range, "tenant = 1") is None
    assert shards_asked(by_range, None) == 8


def test_one_shard_or_an_unknown_number_gets_the_whole() -> None:
    assert per_shard(160, 1, mixed=True) == 160
    assert per_shard(160, None, mixed=True) == 160


def test_each_shard_gets_a_part_and_never_less_than_the_least() -> None:
    assert per_shard(160, 8, mixed=True) == LEAST_PER_SHARD
    assert per_shard(20, 8, mixed=True) == 20
    assert per_shard(160, 8, mixed=False) == 80
    for shards in (2, 4, 8, 16, 32, 64):
        wholes = (40, 160, 640, 1000, 4000, 16000)
        parts = [per_shard(whole, shards, mixed=True) for whole in wholes]
        assert parts == sorted(parts)
        for whole, part in zip(wholes, parts, strict=True):
            assert whole / shards <= part <= whole


@pytest.mark.parametrize("shards", [2, 4, 8])
@pytest.mark.parametrize("whole", [80, 320, 1000])
def test_rows_that_fall_as_dice_do_are_rarely_cut(whole: int, shards: int) -> None:
    part = per_shard(whole, shards, mixed=True)
    drawn = np.random.default_rng(1).multinomial(
        whole, np.full(shards, 1 / shards), size=100_000
    )
    assert (drawn > part).any(axis=1).mean() <= 1.2 * CUT
