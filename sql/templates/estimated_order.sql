-- The rows of a first pass by sign bits, in an order by the bits and more of the query.
-- Slots: passes (names, full and short column, Hamming distance), names, query, dims, …
-- Called by: mrl_pg.search.render, mrl._passes, mrl._plan_calibration
create or replace function mrl._estimated_order()
returns text
language sql
immutable
parallel safe
return $template$
select
    {names},
    mrl_full,
    -- The Hamming distances to the signs of the query, of a lower query and of a higher one. So
    -- a dimension where the query is far from zero counts three times, any other once.
    pg_catalog.row_number() over (
        -- apart from bits that a vector of zeros has, too: under cosine it has no distance, and
        -- so must not take the place of a row that is an answer
        partition by mrl_short operator(pg_catalog.=) 0::bit({dims})
        order by
            mrl_near
            operator(pg_catalog.+) (mrl_short operator({extension}{short_operator}) mrl_low)
            operator(pg_catalog.+) (mrl_short operator({extension}{short_operator}) mrl_high)
    ) as mrl_order
from (
    select
        {extension}binary_quantize(
            mrl_prefix operator({extension}-) mrl_step
        )::bit({dims}) as mrl_low,
        {extension}binary_quantize(
            mrl_prefix operator({extension}+) mrl_step
        )::bit({dims}) as mrl_high
    from (
        select
            {extension}l2_normalize(
                {extension}subvector({query}::{extension}vector, 1, {dims})
            ) as mrl_prefix,
            -- the root of the mean square of a dimension
            pg_catalog.array_fill(
                pg_catalog.power({dims}, '-0.5'::pg_catalog.float8)::pg_catalog.float4,
                array[{dims}]
            )::{extension}vector as mrl_step
        -- once, not for each row
        offset 0
    ) as mrl_asked
    offset 0
) as mrl_signs
cross join (
{passes}
) as mrl_walked ({names}, mrl_full, mrl_short, mrl_near)
-- not rows without a vector, which a scan without the index reads
where mrl_near is not null
$template$::pg_catalog.text;
