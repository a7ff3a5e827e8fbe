-- The positions of those candidates of a first pass that are near enough.
-- Slots: passes, names, other (a row that is not the query itself), edge
-- Called by: mrl._plan_calibration
create or replace function mrl._near_places()
returns text
language sql
immutable
parallel safe
return $template$
select pg_catalog.array_agg(mrl_place_number)
from (
    select
        distance,
        pg_catalog.row_number() over () as mrl_place_number
    from (
{passes}
    ) as mrl_pass ({names}, distance)
    where {other}
) as mrl_pass
where distance operator(pg_catalog.<=) {edge}
$template$::pg_catalog.text;
