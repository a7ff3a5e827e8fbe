-- Milliseconds that have passed.
-- mrl._ms_since(start timestamptz) -> float8
-- Called by: mrl.calibrate
create or replace function mrl._ms_since(start timestamptz)
returns float8
language sql
volatile
parallel safe
return extract(epoch from clock_timestamp() - start)::float8 * 1000;

comment on function mrl._ms_since(timestamptz) is
'Internal. Milliseconds that have passed.';
