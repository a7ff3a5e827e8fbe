-- Calibrations of tables that the caller owns. They are written through this view only.
-- mrl._own_calibrations
-- Called by: mrl._keep_calibration
create or replace view mrl._own_calibrations
with (security_barrier)
as
select
    point.entry,
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
where exists (
    select
    from mrl._live_tables as live
    where live.entry operator(pg_catalog.=) point.entry
        -- the calling role; within a security definer function, that function's owner
        and pg_catalog.pg_has_role(current_user, live.owner, 'usage')
)
with cascaded check option;

comment on view mrl._own_calibrations is
'Internal. Rows of mrl._calibrations about tables that you own, to be read and written.';
