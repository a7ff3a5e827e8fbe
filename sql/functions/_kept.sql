-- How many queries of a column are kept, and the day of the oldest; to its owner alone.
-- mrl._kept(table_name regclass, full_column name) -> kept bigint, oldest date
-- Called by: mrl.sample_queries, queries/sampling.sql
create or replace function mrl._kept(
    table_name regclass,
    full_column name,
    out kept bigint,
    out oldest date
)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $body$
begin
    select count(*), min(known.kept_on)
    into kept, oldest
    from mrl.kept_queries as known
    where known.table_name = _kept.table_name
        and known.full_column = _kept.full_column;
end
$body$;

comment on function mrl._kept(regclass, name) is
'Internal. How many queries are kept of a column of a table you own, and since when.';
