-- The real queries of tables that the caller owns.
-- mrl.kept_queries
-- Called by: people, functions/kept_queries.sql, mrl._kept
create or replace view mrl.kept_queries as
select
    live.table_id as table_name,
    sampling.full_column,
    kept.kept_on,
    kept.query
from mrl._query_sampling as sampling
join mrl._live_tables as live on live.entry operator(pg_catalog.=) sampling.entry
-- the view of each column checks the owner again
cross join lateral mrl._kept_in(sampling.room) as kept
where pg_catalog.pg_has_role(current_user, live.owner, 'usage');

comment on view mrl.kept_queries is
'Real queries that mrl.keep_query stored, of the tables that you own.';
