-- The first pass: candidates by the short index, with their distance in the next pass.
-- Slots: columns, value, operator, query, table, gate, filter, within, short, short_operator, …
-- Called by: mrl_pg.search.render, mrl._passes, mrl._pattern, mrl._plan_calibration
create or replace function mrl._first_pass()
returns text
language sql
immutable
parallel safe
return $template$
select
    {columns},
    {value} operator({extension}{operator}) {query}
from {table}
where {gate}{filter}{within}
order by {short} operator({extension}{short_operator}) {short_query}
limit {candidates}
$template$::pg_catalog.text;
