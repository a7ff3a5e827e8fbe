-- Full columns whose queries or distances are stored, and the shares. Every role may read them.
-- mrl.query_sampling
-- Called by: mrl.keep_query, mrl.keep_distance, client/calibration.sql
create or replace view mrl.query_sampling as
select
    live.table_id,
    sampling.full_column,
    sampling.share,
    sampling.most,
    sampling.distance_share,
    sampling.most_distances
from mrl._query_sampling as sampling
join mrl._live_tables as live on live.entry operator(pg_catalog.=) sampling.entry;

comment on view mrl.query_sampling is
'Columns whose queries or distances are stored: the shares, and the most of each. '
'mrl.sample_queries and mrl.sample_distances write these rows. Without a row, nothing is '
'stored.';
