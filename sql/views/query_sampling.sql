-- Full columns whose queries are stored, and the share. Every role may read them.
-- mrl.query_sampling
-- Called by: mrl.keep_query, client/calibration.sql
create or replace view mrl.query_sampling as
select
    live.table_id,
    sampling.full_column,
    sampling.share,
    sampling.most
from mrl._query_sampling as sampling
join mrl._live_tables as live on live.entry operator(pg_catalog.=) sampling.entry;

comment on view mrl.query_sampling is
'Columns whose queries are stored: the share, and the most queries. mrl.sample_queries '
'writes these rows. Without a row, no query is stored.';
