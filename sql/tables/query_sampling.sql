-- Full columns whose queries are stored, the share, and the number of the table that holds them.
-- mrl._query_sampling
-- Called by: mrl.query_sampling, mrl._own_sampling, mrl._take_query, mrl._sweep, refresh.sql
create table if not exists mrl._query_sampling (
    entry int not null references mrl._tables on delete cascade,
    full_column pg_catalog.name not null,
    -- of the queries that are offered; 0: none, and what was kept stays
    share pg_catalog.float8 not null check (
        share operator(pg_catalog.>=) 0
            and share operator(pg_catalog.<=) 1
    ),
    most int not null check (
        most operator(pg_catalog.>=) 1
            and most operator(pg_catalog.<=) 10000
    ),
    -- number of mrl._queries_…, a table that is there while it is of use
    room int not null generated always as identity unique,
    primary key (entry, full_column)
);

-- not after insert: when a dump is restored, what was kept comes with it
create or replace trigger room
after update or delete on mrl._query_sampling
for each row execute function mrl._keep_room();

comment on table mrl._query_sampling is
'Internal. Columns whose queries are sampled: read them through mrl.query_sampling.';
comment on sequence mrl._query_sampling_room_seq is
'Internal. Numbers of the tables for queries that are kept.';
