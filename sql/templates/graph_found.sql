-- How many of the nearest short values of a sample an index finds and misses, for 20 queries.
-- Slots: places (selects of mrl._graph_places), extension, operator, short, table, answers
-- Called by: mrl._graph_recall
create or replace function mrl._graph_found()
returns text
language sql
immutable
parallel safe
return $template$
with mrl_sample as materialized (
    select
        pg_catalog.row_number() over () as number,
        mrl_every.place,
        mrl_every.short
    from (
{places}
    ) as mrl_every
),
mrl_query as materialized (
    select
        mrl_asked.number,
        mrl_asked.short
    from mrl_sample as mrl_asked
    where mrl_asked.number
            operator(pg_catalog.%) (
                1 operator(pg_catalog.+) (
                    (select pg_catalog.count(*) from mrl_sample) operator(pg_catalog./) 20
                )
            )
            operator(pg_catalog.=) 0
        -- not a zero vector under cosine, whose distance is NaN
        and (mrl_asked.short operator({extension}{operator}) mrl_asked.short)
            operator(pg_catalog.<>) 'NaN'::pg_catalog.float8
),
mrl_answer as materialized (
    select
        mrl_query.number,
        mrl_near.place,
        mrl_near.distance
    from mrl_query
    cross join lateral (
        select
            mrl_row.ctid as place,
            ({short}) operator({extension}{operator}) mrl_query.short as distance
        from only {table} as mrl_row
        order by ({short}) operator({extension}{operator}) mrl_query.short
        limit {answers}
    ) as mrl_near
),
mrl_reach as (
    select
        mrl_query.number,
        mrl_query.short,
        pg_catalog.count(mrl_answer.place) as answers,
        pg_catalog.max(mrl_answer.distance) as farthest
    from mrl_query
    left join mrl_answer on mrl_answer.number operator(pg_catalog.=) mrl_query.number
    group by mrl_query.number, mrl_query.short
)
select
    coalesce(pg_catalog.sum(mrl_seen.found), 0)::pg_catalog.int8 as found,
    coalesce(pg_catalog.sum(mrl_seen.missed), 0)::pg_catalog.int8 as missed
from mrl_reach
cross join lateral (
    select
        pg_catalog.count(*) filter (
            where mrl_answer.place is not null
                and mrl_near.inside
        ) as found,
        pg_catalog.count(*) filter (
            where mrl_answer.place is null
                and mrl_near.inside
        )
            -- answers that are not there
            operator(pg_catalog.+) greatest(
                least({answers}, pg_catalog.count(*)) operator(pg_catalog.-) mrl_reach.answers,
                0
            ) as missed
    from (
        select
            mrl_sample.place,
            coalesce(
                (mrl_sample.short operator({extension}{operator}) mrl_reach.short)
                    -- not what only rounding tells apart
                    operator(pg_catalog.<) (
                        mrl_reach.farthest
                            operator(pg_catalog.-) 0.000001::pg_catalog.float8
                            operator(pg_catalog.-) (
                                0.001::pg_catalog.float8
                                    operator(pg_catalog.*) pg_catalog.abs(mrl_reach.farthest)
                            )
                    ),
                false
            ) as inside
        from mrl_sample
        where (mrl_sample.short operator({extension}{operator}) mrl_reach.short)
            operator(pg_catalog.<>) 'NaN'::pg_catalog.float8
    ) as mrl_near
    left join mrl_answer
        on mrl_answer.place operator(pg_catalog.=) mrl_near.place
        and mrl_answer.number operator(pg_catalog.=) mrl_reach.number
) as mrl_seen
$template$::pg_catalog.text;
