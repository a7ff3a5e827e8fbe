-- The full vectors of the rows of some pages, one after the other in binary; where the rows are.
-- Slots: spot, columns, names, extension, full, full_dims, table, filter
-- Called by: mrl._plan_calibration
create or replace function mrl._row_vectors()
returns text
language sql
immutable
parallel safe
return $template$
select
    pg_catalog.string_agg({extension}vector_send(mrl_full), '') as vectors,
    pg_catalog.array_agg({spot}) as spots
from (
    select
        {columns},
        -- always type vector: halfvec becomes it without loss
        {extension}subvector({full}, 1, {full_dims})::{extension}vector
    from {table}
    where {full} is not null
        and ctid operator(pg_catalog.>=) $17
        and ctid operator(pg_catalog.<) $18{filter}
    limit $19
) as mrl_row ({names}, mrl_full)
$template$::pg_catalog.text;
