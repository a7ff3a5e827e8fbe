-- Queries that the caller passes.
-- Slots: queries (an array)
-- Called by: mrl._plan_recall, mrl._plan_calibration
create or replace function mrl._given()
returns text
language sql
immutable
parallel safe
return $template$
select
    mrl_full,
    null::pg_catalog.oid as mrl_part,
    null::pg_catalog.tid as mrl_place,
    false as mrl_outside
from pg_catalog.unnest({queries}) as mrl_full
$template$::pg_catalog.text;
