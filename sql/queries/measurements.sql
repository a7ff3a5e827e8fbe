-- Recalls of one short column that were measured and kept, oldest first.
-- Parameters: table_id, index_name
-- Called by: mrl_pg.calibration.recall_report
select
    k,
    candidates,
    ef_search,
    filter,
    recall,
    low,
    high,
    loss_graph,
    loss_shortlist,
    loss_prefix,
    queries as measured,
    measured_at
from mrl.measurements
where table_id operator(pg_catalog.=) %(table_id)s::pg_catalog.oid::pg_catalog.regclass
    and index_name operator(pg_catalog.=) %(index_name)s
order by measured_at
