-- Random rows as queries: as many that the filter turns away as that it lets through.
-- Slots: full, extension, table, filter, sample
-- Called by: mrl._plan_calibration
create or replace function mrl._sample_both()
returns text
language sql
immutable
parallel safe
return $template$
select *
from (
    (
        select
            {full}::{extension}vector as mrl_full,
            tableoid as mrl_part,
            ctid as mrl_place,
            false as mrl_outside
        from {table}
        where {full} is not null{filter}
        order by pg_catalog.random()
        limit {sample}
    )
    union all
    (
        select {full}::{extension}vector, tableoid, ctid, true
        from {table}
        where {full} is not null
            and (true{filter}) is not true
        order by pg_catalog.random()
        limit {sample}
    )
) as mrl_both
order by pg_catalog.random()
$template$::pg_catalog.text;
