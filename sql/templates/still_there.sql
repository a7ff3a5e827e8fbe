-- Which of some rows are where they were, not updated, not deleted: keys of a JSON object.
-- Slots: spot, columns, names, table
-- Called by: mrl._plan_calibration
create or replace function mrl._still_there()
returns text
language sql
immutable
parallel safe
return $template$
select pg_catalog.jsonb_object(pg_catalog.array_agg({spot}), pg_catalog.array_agg({spot}))
from (
    select {columns}, tableoid, pg_catalog.age(xmin)
    from {table}
    where ctid operator(pg_catalog.=) any ($17::pg_catalog.tid[])
) as mrl_row ({names}, mrl_table, mrl_age)
join pg_catalog.pg_class as class on class.oid operator(pg_catalog.=) mrl_table
-- no row has come to that place since, nor has another file come to the table
where $18::pg_catalog.int4 is null
    or (
        mrl_age operator(pg_catalog.>) $18
        and pg_catalog.age(class.xmin) operator(pg_catalog.>) $18
    )
$template$::pg_catalog.text;
