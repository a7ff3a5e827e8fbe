-- Recalls of tables that the caller owns. They are written through this view only.
-- mrl._own_measurements
-- Called by: mrl._keep_measurement
create or replace view mrl._own_measurements
with (security_barrier)
as
select
    measured.entry,
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
    measured.queries,
    measured.changes,
    measured.graph
from mrl._measurements as measured
where exists (
    select
    from mrl._live_tables as live
    where live.entry operator(pg_catalog.=) measured.entry
        -- the calling role; within a security definer function, that function's owner
        and pg_catalog.pg_has_role(current_user, live.owner, 'usage')
)
with cascaded check option;

comment on view mrl._own_measurements is
'Internal. Rows of mrl._measurements about tables that you own, to be read and written.';
