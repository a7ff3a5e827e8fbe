-- The best rows by two rankings, of a search by vectors and of one by words, fused by rank.
-- Slots: query, nearest (a search that names rows), matching (mrl._matching), names, weights, …
-- Called by: mrl_pg.search.fuse, mrl._compose
create or replace function mrl._hybrid()
returns text
language sql
immutable
parallel safe
return $template$
with mrl_asked as materialized (
    select {query} as "full"
),
mrl_near as materialized (
    select
        {names},
        distance,
        seen,
        pg_catalog.row_number() over (order by distance, {key_names}) as mrl_rank
    from (
{nearest}
    ) as mrl_pass ({names}, distance, seen)
),
{matching},
-- reciprocal rank fusion: Cormack, Clarke and Buettcher, SIGIR 2009
mrl_fused as materialized (
    select
        *,
        pg_catalog.row_number() over (order by score desc, {key_names}) as mrl_number
    from (
        select
            {names},
            pg_catalog.sum(mrl_share) as score,
            pg_catalog.max(distance) as distance,
            pg_catalog.max(vector_rank) as vector_rank,
            pg_catalog.max(word_rank) as word_rank
        from (
            select
                {names},
                {vector_weight} operator(pg_catalog./)
                    ({rank_constant} operator(pg_catalog.+) mrl_rank)::pg_catalog.float8,
                distance,
                mrl_rank,
                null::pg_catalog.int8
            from mrl_near
            union all
            select
                {names},
                {word_weight} operator(pg_catalog./)
                    ({rank_constant} operator(pg_catalog.+) mrl_rank)::pg_catalog.float8,
                null::pg_catalog.float8,
                null::pg_catalog.int8,
                mrl_rank
            from mrl_matching
        ) as mrl_ranked ({names}, mrl_share, distance, vector_rank, word_rank)
        group by {names}
    ) as mrl_scored
    -- rows that only a half of weight 0 found have no order
    where score operator(pg_catalog.>) 0::pg_catalog.float8
    order by score desc, {key_names}
    limit {k}
)
select
    {answer},
    mrl_pass.score,
    coalesce(
        mrl_pass.distance,
        (
            select mrl_far.distance
            from (
                select mrl_row.{full} operator({extension}{operator})
                    (select "full" from mrl_asked)
                offset 0
            ) as mrl_far (distance)
            -- a zero vector has no cosine distance
            where mrl_far.distance operator(pg_catalog.<>) 'NaN'::pg_catalog.float8
        )
    ) as distance,
    mrl_pass.vector_rank,
    mrl_pass.word_rank,
    mrl_half.came,
    mrl_half.farthest,
    mrl_half.seen{extra}
-- one row also if there is no answer, because it says what the vectors found
from (
    select
        pg_catalog.count(*) as came,
        -- of the k nearest rows
        pg_catalog.max(distance) filter (
            where mrl_rank operator(pg_catalog.<=) {k}
        ) as farthest,
        coalesce(pg_catalog.max(seen), 0) as seen
    from mrl_near
) as mrl_half
left join (
    mrl_fused as mrl_pass
    join {row_table} as mrl_row
        on mrl_row.ctid operator(pg_catalog.=) mrl_pass.mrl_place
        and mrl_row.tableoid operator(pg_catalog.=) mrl_pass.mrl_part
) on true{guard}
order by mrl_pass.mrl_number
$template$::pg_catalog.text;
