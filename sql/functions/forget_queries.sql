-- Deletes real queries and distances of a column: all, or those that were stored before a day.
-- mrl.forget_queries('docs', 'embedding', before => current_date - 30) -> int
-- Called by: people, client/calibration.sql
create or replace function mrl.forget_queries(
    table_name regclass,
    full_column name,
    before date default null
)
returns int
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $body$
declare
    known record;
    own text;
    forgotten int := 0;
    distances int := 0;
begin
    perform mrl.check_owner(table_name);
    perform mrl._sweep();
    select sampling.entry, sampling.room
    into known
    from mrl._own_sampling as sampling
    join mrl._live_tables as live on live.entry = sampling.entry
    where live.table_id = table_name
        and sampling.full_column = forget_queries.full_column;
    own := format('mrl.%I', '_own_queries_' || known.room);
    if to_regclass(own) is not null then
        execute format(
            'update %s set kept_on = null, query = null'
            ' where query is not null and ($1 is null or kept_on < $1)',
            own
        )
        using before;
        get diagnostics forgotten = row_count;
        execute format(
            'update %s set measured_on = null, k = null, distance = null, calibrated_at = null'
            ' where distance is not null and ($1 is null or measured_on < $1)',
            own
        )
        using before;
        get diagnostics distances = row_count;
    end if;
    -- makes the trigger drop the query table if sampling is off and no query is left
    update mrl._own_sampling as sampling
    set share = 0
    where sampling.entry = known.entry
        and sampling.full_column = forget_queries.full_column
        and sampling.share = 0;
    return forgotten + distances;
end
$body$;

comment on function mrl.forget_queries(regclass, name, date) is
'Deletes the real queries and the distances of a column of a table you own, or those that '
'were stored before a day, and returns how many. Sampling goes on. mrl.sample_queries(…, '
'share => 0) and mrl.sample_distances(…, share => 0) end sampling.';
