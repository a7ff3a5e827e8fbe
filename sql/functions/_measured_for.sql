-- Calibrations that speak for a search: of its own filter, or of filters about as selective.
-- mrl._measured_for(table_id, index_name, k, filtered, share, filter) -> setof calibrations
-- Called by: mrl._promised
create or replace function mrl._measured_for(
    table_id oid,
    index_name name,
    k int,
    -- a filter or a policy lets only some rows through
    filtered boolean,
    -- of the table's rows, as far as anybody knows
    share float8,
    -- with its values, as mrl.calibrate writes it
    filter text
)
returns setof mrl.calibrations
language sql
stable
parallel safe
begin atomic
    with known as (
        select known.*
        from mrl.calibrations as known
        where known.table_id
                operator(pg_catalog.=) _measured_for.table_id::pg_catalog.regclass
            and known.index_name operator(pg_catalog.=) _measured_for.index_name
            and known.k operator(pg_catalog.=) (
                -- measured for more answers it holds for fewer
                select pg_catalog.min(other.k)
                from mrl.calibrations as other
                where other.table_id operator(pg_catalog.=) known.table_id
                    and other.index_name operator(pg_catalog.=) known.index_name
                    and other.filter operator(pg_catalog.=) known.filter
                    and other.k operator(pg_catalog.>=) _measured_for.k
            )
    ),
    around as (
        select
            -- a planner's guess, so what is half or twice as selective is near enough
            pg_catalog.max(known.share) filter (
                where known.share operator(pg_catalog.<=) (
                    2 operator(pg_catalog.*) _measured_for.share
                )
            ) as below,
            -- every row is the least selective of filters
            pg_catalog.min(known.share) filter (
                where known.share operator(pg_catalog.>=) (
                    _measured_for.share operator(pg_catalog./) 2
                )
            ) as above,
            pg_catalog.bool_or(
                known.filter operator(pg_catalog.=) _measured_for.filter
            ) as own
        from known
    )
    select known.*
    from known
    cross join around
    where case
        when not filtered then known.filter operator(pg_catalog.=) ''
        when around.own then known.filter operator(pg_catalog.=) _measured_for.filter
        when _measured_for.share is null then known.filter operator(pg_catalog.<>) ''
        else around.below is not null
            and around.above is not null
            and known.share operator(pg_catalog.=) any (array[around.below, around.above])
    end;
end;

comment on function mrl._measured_for(oid, name, int, boolean, float8, text) is
'Internal. Calibrations that speak for a search.';
