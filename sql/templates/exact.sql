-- The exact search, which recall is measured against: every row, full vectors, no index.
-- Slots: query, table, columns, filter, k
-- Called by: mrl_pg.search.render, mrl._compose, mrl._plan_recall
create or replace function mrl._exact()
returns text
language sql
immutable
parallel safe
return $template$
select
    {names},
    distance{extra}
from (
    select
        {columns},
        {full} operator({extension}{operator}) {query}
    from {table}
    where true{filter}
    -- keeps the planner from using an index on the full column
    offset 0
) as ranked ({names}, distance)
where distance operator(pg_catalog.<>) 'NaN'::pg_catalog.float8
order by distance, {key_names}
limit {k}
$template$::pg_catalog.text;
