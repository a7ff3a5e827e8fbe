-- Facts about the first hundred full vectors, before a short column is made: how many do not have
-- length 1, and the distinct values. Slots: table, full, extension, norm, short (a value)
-- Called by: mrl_pg.build.row_sample, mrl._created
create or replace function mrl._row_sample()
returns text
language sql
immutable
parallel safe
return $template$
select
    pg_catalog.count(*) filter (
        -- by more than 1 %
        where pg_catalog.abs(
            {extension}{norm}(sample."full") operator(pg_catalog.-) 1::pg_catalog.float8
        ) operator(pg_catalog.>) 0.01::pg_catalog.float8
    ) as off,
    pg_catalog.count(*) as rows,
    pg_catalog.count(distinct sample."full") as full_values,
    pg_catalog.count(distinct {short}) as short_values
from (
    select {full} as "full"
    from {table}
    where {full} is not null
    limit 100
) as sample
$template$::pg_catalog.text;
