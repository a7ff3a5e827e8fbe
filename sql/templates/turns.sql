-- The rows of a first pass by sign bits, numbered as it found them, without the query itself.
-- Slots: passes (names, full and short column, Hamming distance), names, other
-- Called by: mrl._plan_calibration
create or replace function mrl._turns()
returns text
language sql
immutable
parallel safe
return $template$
select
    {names},
    pg_catalog.row_number() over () as mrl_turn,
    mrl_full,
    mrl_short,
    mrl_near
from (
{passes}
) as mrl_first ({names}, mrl_full, mrl_short, mrl_near)
where {other}
$template$::pg_catalog.text;
