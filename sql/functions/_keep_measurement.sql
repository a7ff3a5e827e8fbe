-- Writes a recall that was measured.
-- mrl._keep_measurement(measurement mrl.measurements) -> void
-- Called by: mrl.recall
create or replace function mrl._keep_measurement(measurement mrl.measurements)
returns void
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $body$
begin
    perform mrl.check_owner(measurement.table_id);
    insert into mrl.measurements select (measurement).*;
end
$body$;

comment on function mrl._keep_measurement(mrl.measurements) is
'Internal. Writes a recall that was measured on a table you own.';
