-- Full columns whose queries are sampled, and how many of them; all may read it.
-- mrl.query_sampling
-- Called by: mrl.sample_queries, mrl.keep_query
create table if not exists mrl.query_sampling (
    table_id regclass not null,
    full_column name not null,
    -- of the queries that are offered; 0: none, and what was kept stays
    share float8 not null check (share >= 0 and share <= 1),
    most int not null check (most > 0),
    primary key (table_id, full_column)
);

comment on table mrl.query_sampling is
'Columns whose queries are sampled: share of them that is kept, and how many at most. '
'mrl.sample_queries writes it; empty until an owner turns it on.';
