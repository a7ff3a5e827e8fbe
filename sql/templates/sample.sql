-- Random rows of a table as queries, with the table and the ctid of each row.
-- Slots: full, extension, table, filter, sample
-- Called by: mrl._plan_recall, mrl._plan_calibration
create or replace function mrl._sample()
returns text
language sql
immutable
parallel safe
return $template$
select
    -- always type vector, so that one session may measure tables of vector and of halfvec
    {full}::{extension}vector as mrl_full,
    tableoid as mrl_part,
    ctid as mrl_place,
    false as mrl_outside
from {table}
where {full} is not null{filter}
order by pg_catalog.random()
limit {sample}
$template$::pg_catalog.text;
