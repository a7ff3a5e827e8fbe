-- The distance of the k-th nearest row to a query, and how many rows were found.
-- Slots: rows (a search), names, other (a row that is not the query itself)
-- Called by: mrl._plan_calibration
create or replace function mrl._edge()
returns text
language sql
immutable
parallel safe
return $template$
select
    -- rows as far as the k-th are as good; errors of single precision are smaller than this
    pg_catalog.max(distance) operator(pg_catalog.+) 1e-5::pg_catalog.float8 as edge,
    pg_catalog.count(*) as k
from (
    select distance
    from (
{rows}
    ) as mrl_truth ({names}, distance)
    where {other}
        -- the cosine distance of a zero vector
        and distance operator(pg_catalog.<>) 'NaN'::pg_catalog.float8
    order by distance
    limit {k}
) as mrl_truth
$template$::pg_catalog.text;
