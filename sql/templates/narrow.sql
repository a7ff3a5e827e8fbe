-- A pass in between: the nearest of an earlier pass, with their distance in the next.
-- Slots: passes (the earlier ones), names, count, value, operator, query, table, same_row
-- Called by: mrl._passes
create or replace function mrl._narrow()
returns text
language sql
immutable
parallel safe
return $template$
select
    {pass_names},
    mrl_row.{value} operator({extension}{operator}) {query}
from (
    select {names}, distance
    from (
{passes}
    ) as mrl_pass ({names}, distance)
    where distance operator(pg_catalog.<>) 'NaN'::pg_catalog.float8
    order by distance, {names}
    limit {count}
) as mrl_pass ({names}, distance)
-- no index may order this: it would hand over a few rows of the table instead
join {table} as mrl_row on {same_row}
offset 0
$template$::pg_catalog.text;
