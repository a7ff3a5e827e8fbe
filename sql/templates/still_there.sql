-- Which of some rows are where they were: not updated, not deleted.
-- Slots: spot, columns, names, table
-- Called by: mrl._plan_calibration
create or replace function mrl._still_there()
returns text
language sql
immutable
parallel safe
return $template$
select pg_catalog.array_agg({spot}) as spots
from (
    select {columns}
    from {table}
    where ctid operator(pg_catalog.=) any ($17::pg_catalog.tid[])
) as mrl_row ({names})
$template$::pg_catalog.text;
