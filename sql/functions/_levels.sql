-- Searches that a calibration tries: each searches the graph further than the one before.
-- mrl._levels(k int) -> setof candidates, by number
-- Called by: mrl.calibrate, mrl._points
create or replace function mrl._levels(k int)
returns setof int
language sql
immutable
parallel safe
begin atomic
    -- by steps of the square root of 2; 1000 is where a scan that stops ends
    select candidates::int
    from (
        -- a cast may come before the condition does
        select least(
            pg_catalog.ceil(
                k operator(pg_catalog.*) pg_catalog.power(
                    2, step operator(pg_catalog./) 2.0
                )
            ),
            2147483647
        )
        from pg_catalog.generate_series(0, 24) as step
        union
        select 1000
    ) as level (candidates)
    where candidates operator(pg_catalog.>=) k
        and candidates operator(pg_catalog.<=) greatest(
            4000, 4 operator(pg_catalog.*) k::bigint
        )
    order by candidates;
end;

comment on function mrl._levels(int) is
'Internal. Numbers of candidates that a calibration tries.';
