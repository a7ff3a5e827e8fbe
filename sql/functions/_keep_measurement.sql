-- Writes a recall that was measured.
-- mrl._keep_measurement(measurement mrl.measurements) -> void
-- Called by: mrl.recall
create or replace function mrl._keep_measurement(measurement mrl.measurements)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $body$
declare
    claimed int;
begin
    perform mrl.check_owner(measurement.table_id);
    insert into mrl._claims (table_id)
    values (measurement.table_id)
    returning _claims.entry into claimed;
    insert into mrl._own_measurements (
        entry, index_name, measured_at, k, filter, candidates, ef_search, recall, low,
        high, loss_graph, loss_shortlist, loss_prefix, queries
    )
    values (
        claimed,
        measurement.index_name,
        measurement.measured_at,
        measurement.k,
        measurement.filter,
        measurement.candidates,
        measurement.ef_search,
        measurement.recall,
        measurement.low,
        measurement.high,
        measurement.loss_graph,
        measurement.loss_shortlist,
        measurement.loss_prefix,
        measurement.queries
    );
end
$body$;

comment on function mrl._keep_measurement(mrl.measurements) is
'Internal. Writes a recall that was measured on a table you own.';
