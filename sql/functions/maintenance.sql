-- What is due on your tables: vacuum, a measurement, a new graph, a calibration; and why.
-- mrl.maintenance(only_table, …) -> one row for each step, in order
-- Called by: people with \gexec
create or replace function mrl.maintenance(
    -- NULL means every table of the caller
    only_table regclass default null,
    -- the recall whose search is watched
    recall float8 default 0.95,
    -- from which share of dead rows on a table is vacuumed
    dead float8 default 0.2,
    -- from which share of changed rows on recall is measured again
    changed float8 default 0.05,
    -- how many queries a measurement takes
    sample int default 100
)
returns table (
    -- drop, vacuum, analyze, measure, reindex, calibrate, or left for what only you can do
    step text,
    table_name regclass,
    index_name name,
    reason text,
    -- NULL for left, which has a remedy
    statement text,
    remedy text
)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $body$
begin
    perform mrl._check_upkeep(only_table, recall, dead, changed, sample);
    return query
    select due.step, due.table_name, due.index_name, due.reason, due.statement, due.remedy
    from mrl._upkeep(only_table, recall, dead, changed, sample) as due;
end
$body$;

comment on function mrl.maintenance(regclass, float8, float8, float8, int) is
'What is due on your tables, in order, each with its reason and its statement: vacuum, a '
'measurement of recall, reindex if the graph finds less than when it was calibrated, calibrate '
'if that is stale. It changes nothing. Run the statements one by one, as \gexec does, and ask '
'again until there are none; mrl-pg maintenance does so.';
