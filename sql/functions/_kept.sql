-- How many queries of a column are kept, and the day of the oldest; to its owner alone.
-- mrl._kept(table_name regclass, full_column name) -> kept bigint, oldest date
-- Called by: queries/sampling.sql
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
    select count(*), min(slot.kept_on)
    into kept, oldest
    from mrl.kept_queries as slot
    where slot.table_name = _kept.table_name
        and slot.full_column = _kept.full_column;
exception
    -- nothing is sampled
    when undefined_table then
        kept := 0;
end
$body$;

comment on function mrl._kept(regclass, name) is
'Internal. How many queries are kept of a column of a table you own, and since when.';
