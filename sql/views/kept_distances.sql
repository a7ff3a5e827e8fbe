-- Distances of real answers, of the tables that the caller owns.
-- mrl.kept_distances
-- Called by: people, mrl._kept
create or replace view mrl.kept_distances as
select
    live.table_id as table_name,
    sampling.full_column,
    kept.kept_on,
    kept.k,
    kept.distance
from mrl._query_sampling as sampling
join mrl._live_tables as live on live.entry operator(pg_catalog.=) sampling.entry
-- the view of each column checks the owner again
cross join lateral mrl._distances_in(sampling.room) as kept
where pg_catalog.pg_has_role(current_user, live.owner, 'usage');

comment on view mrl.kept_distances is
'Distances of the k-th answers that mrl.keep_distance stored, of the tables that you own.';
