-- Stored measurements of recall, which show how recall changes. Every role may read them.
-- mrl.measurements
-- Called by: mrl._measure, mrl._keep_measurement, client/calibration.sql
create or replace view mrl.measurements as
select
    live.table_id,
    measured.index_name,
    measured.measured_at,
    measured.k,
    measured.filter,
    measured.candidates,
    measured.ef_search,
    measured.rerank,
    measured.recall,
    measured.low,
    measured.high,
    measured.loss_graph,
    measured.loss_shortlist,
    measured.loss_prefix,
    measured.queries
from mrl._measurements as measured
join mrl._live_tables as live on live.entry operator(pg_catalog.=) measured.entry;

comment on view mrl.measurements is
'Recalls that mrl.recall(…, keep => true) measured, with their 95 % interval and losses.';
