-- Measured recall and time of searches on your own rows. Every role may read it.
-- mrl.calibrations
-- Called by: mrl.calibrate, mrl._measured_for
create or replace view mrl.calibrations as
select
    live.table_id,
    point.index_name,
    point.k,
    point.filter,
    point.candidates,
    point.ef_search,
    point.rerank,
    point.share,
    point.recall,
    point.low,
    point.median_ms,
    point.p95_ms,
    point.queries,
    point.rows,
    point.m,
    point.ef_construction,
    point.measured_at,
    point.basis,
    point.p05,
    point.shares,
    point.weights,
    point.reach,
    point.misses,
    point.changes,
    point.born
from mrl._calibrations as point
join mrl._live_tables as live on live.entry operator(pg_catalog.=) point.entry
union all
select
    live.table_id,
    made.index_name,
    point.k,
    point.filter,
    point.candidates,
    point.ef_search,
    point.rerank,
    point.share,
    point.recall,
    point.low,
    point.median_ms,
    point.p95_ms,
    point.queries,
    point.rows,
    point.m,
    point.ef_construction,
    point.measured_at,
    point.basis,
    point.p05,
    point.shares,
    point.weights,
    point.reach,
    point.misses,
    point.changes,
    point.born
from mrl._tenant_calibrations as point
join mrl._tenant_indexes as made
    on made.entry operator(pg_catalog.=) point.entry
    and made.full_column operator(pg_catalog.=) point.full_column
    and made.tenant operator(pg_catalog.=) point.tenant
join mrl._live_tables as live on live.entry operator(pg_catalog.=) point.entry;

comment on view mrl.calibrations is
'Measured searches: recall, its lower bound (one-sided, 95 %) and time for each k, number of '
'candidates and ef_search, without searches that a faster search beats. mrl.calibrate writes '
'these rows, and recall => 0.99 reads them. Those of the index of a tenant are about its rows.';
