-- Query sampling of tables that the caller owns. It is written through this view only.
-- mrl._own_sampling
-- Called by: mrl.sample_queries, mrl.sample_distances, mrl.forget_queries
create or replace view mrl._own_sampling
with (security_barrier)
as
select
    sampling.entry,
    sampling.full_column,
    sampling.share,
    sampling.most,
    sampling.room,
    sampling.distance_share,
    sampling.most_distances
from mrl._query_sampling as sampling
where exists (
    select
    from mrl._live_tables as live
    where live.entry operator(pg_catalog.=) sampling.entry
        -- the calling role; within a security definer function, that function's owner
        and pg_catalog.pg_has_role(current_user, live.owner, 'usage')
)
with cascaded check option;

comment on view mrl._own_sampling is
'Internal. Rows of mrl._query_sampling about tables that you own, to be read and written.';
