-- Random rows of a table as queries, with where each is.
-- Slots: full, table, where, sample
-- Called by: mrl._plan_recall
create or replace function mrl._sample()
returns text
language sql
immutable
parallel safe
return $template$
select
    {full} as mrl_full,
    tableoid as mrl_part,
    ctid as mrl_place
from {table}
where {full} is not null{where}
order by pg_catalog.random()
limit {sample}
$template$::text;

comment on function mrl._sample() is
'Internal. Template: random rows of a table as queries.';
