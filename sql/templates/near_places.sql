-- The positions of those candidates of a first pass that are near enough, and where they are.
-- Slots: passes, names, spot, other (a row that is not the query itself), near (a condition)
-- Called by: mrl._plan_calibration
create or replace function mrl._near_places()
returns text
language sql
immutable
parallel safe
return $template$
select
    pg_catalog.array_agg(mrl_place_number) as places,
    pg_catalog.array_agg(mrl_spot) as spots
from (
    select
        distance,
        pg_catalog.row_number() over () as mrl_place_number,
        {spot} as mrl_spot
    from (
{passes}
    ) as mrl_pass ({names}, distance)
    where {other}
) as mrl_pass
where {near}
$template$::pg_catalog.text;
