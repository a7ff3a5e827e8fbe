-- Milliseconds that have passed.
-- mrl._ms_since(start timestamptz) -> float8
-- Called by: mrl.calibrate
create or replace function mrl._ms_since(start timestamptz)
returns float8
language sql
volatile
parallel safe
return extract(
    epoch from pg_catalog.clock_timestamp() operator(pg_catalog.-) start
)::pg_catalog.float8 operator(pg_catalog.*) 1000;

comment on function mrl._ms_since(timestamptz) is
'Internal. Milliseconds that have passed.';
