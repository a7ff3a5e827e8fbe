-- Full columns whose queries or distances are stored: shares, limits, the number of the table.
-- mrl._query_sampling
-- Called by: mrl.query_sampling, mrl._own_sampling, mrl._sampled, mrl._drifted, …
create table if not exists mrl._query_sampling (
    entry int not null references mrl._tables on delete cascade,
    full_column pg_catalog.name not null,
    -- the share of offered queries to store; 0 stores no more, and keeps stored queries
    share pg_catalog.float8 not null check (
        share operator(pg_catalog.>=) 0
            and share operator(pg_catalog.<=) 1
    ),
    most int not null check (
        most operator(pg_catalog.>=) 1
            and most operator(pg_catalog.<=) 10000
    ),
    -- the number in the name mrl._queries_…, a table that exists while it is needed
    room int not null generated always as identity unique,
    -- the same for distances of answers
    distance_share pg_catalog.float8 not null default 0 check (
        distance_share operator(pg_catalog.>=) 0
            and distance_share operator(pg_catalog.<=) 1
    ),
    most_distances int not null default 1000 check (
        most_distances operator(pg_catalog.>=) 1
            and most_distances operator(pg_catalog.<=) 10000
    ),
    primary key (entry, full_column)
);

-- not after insert, because a restore inserts this row and creates the query table itself
create or replace trigger room
after update or delete on mrl._query_sampling
for each row execute function mrl._keep_room();

comment on table mrl._query_sampling is
'Internal. Columns whose queries or distances are stored. Read them through '
'mrl.query_sampling.';
comment on sequence mrl._query_sampling_room_seq is
'Internal. Numbers of the tables that hold real queries.';
