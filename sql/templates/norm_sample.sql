-- How many of the first hundred full vectors are not of length 1, within 1 %.
-- Slots: table, full, extension, norm (vector_norm or l2_norm)
-- Called by: mrl_pg.build and mrl.create_index, for distances under which length matters
create or replace function mrl._norm_sample()
returns text
language sql
immutable
parallel safe
return $template$
select
    pg_catalog.count(*) filter (
        where pg_catalog.abs({extension}{norm}(sample."full") - 1) > 0.01
    ) as off,
    pg_catalog.count(*) as rows
from (
    select {full} as "full"
    from {table}
    where {full} is not null
    limit 100
) as sample
$template$::text;

comment on function mrl._norm_sample() is
'Internal. Template: how many full vectors are not of length 1.';
