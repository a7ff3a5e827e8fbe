-- Recalls of one short column that were measured and kept, oldest first.
-- Parameters: table_id, index_name
-- Called by: mrl_pg.measure
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
where table_id = %(table_id)s::oid::regclass
    and index_name = %(index_name)s
order by measured_at
