-- What one timed level of a calibration says of each number of candidates up to its own.
-- mrl._points(k, candidates, ef_search, near, totals, shortest, longest) -> jsonb
-- Called by: mrl.calibrate
create or replace function mrl._points(
    k int,
    candidates int,
    ef_search int,
    -- for each query: places of the near ones as a JSON array, how many there are to find,
    near jsonb[],
    totals int[],
    -- and milliseconds when k and when all candidates were ranked again
    shortest float8[],
    longest float8[]
)
returns jsonb
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $body$
begin
    return (
        with query as (
            select *
            from unnest(near, totals) with ordinality as query (near, total, number)
            where total > 0
        ),
        tally as (
            select
                level,
                query.number,
                least(
                    (
                        select count(*)
                        from jsonb_array_elements(query.near) as place
                        where place::int <= level
                    ),
                    query.total
                )::float8 / query.total as recall
            from query
            cross join mrl._levels(_points.k) as level
            where level <= _points.candidates
        ),
        mean as (
            select
                level,
                mrl._interval(array_agg(recall order by number), _points.k, 1.644854) as interval
            from tally
            group by level
        ),
        times as (
            select
                percentile_cont(array[0.5, 0.95]) within group (order by few) as few,
                percentile_cont(array[0.5, 0.95]) within group (order by all_of_them) as all_of_them
            from unnest(shortest, longest) as took (few, all_of_them)
        )
        select jsonb_agg(
            jsonb_build_object(
                'candidates', mean.level,
                'ef_search', _points.ef_search,
                'recall', (mean.interval).mean,
                'low', (mean.interval).low,
                -- ranking again costs the same for each candidate
                'median_ms', times.few[1] + part.of_all * (times.all_of_them[1] - times.few[1]),
                'p95_ms', times.few[2] + part.of_all * (times.all_of_them[2] - times.few[2])
            )
        )
        from mean
        cross join times
        cross join lateral (
            select (mean.level - _points.k)::float8
                / greatest(_points.candidates - _points.k, 1)
        ) as part (of_all)
    );
end
$body$;

comment on function mrl._points(int, int, int, jsonb[], int[], float8[], float8[]) is
'Internal. What one timed level of a calibration says of each number of candidates.';
