-- Like mrl._near_places, and where these rows come in the order of mrl._estimated_order.
-- Slots: ordered (of mrl._turns), spot, near (a condition), operator, query, extension
-- Called by: mrl._plan_calibration
create or replace function mrl._near_orders()
returns text
language sql
immutable
parallel safe
return $template$
select
    pg_catalog.array_agg(mrl_turn order by mrl_turn) as places,
    pg_catalog.array_agg(mrl_spot order by mrl_turn) as spots,
    pg_catalog.array_agg(mrl_order order by mrl_turn) as orders
from (
    select
        mrl_full operator({extension}{operator}) {query} as distance,
        mrl_turn,
        mrl_order,
        {spot} as mrl_spot
    from (
{ordered}
    ) as mrl_ordered
) as mrl_pass
where {near}
$template$::pg_catalog.text;
