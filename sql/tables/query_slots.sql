-- Room for the queries that are kept, one row each, made in advance; nobody may read it.
-- mrl.query_slots
-- Called by: mrl.sample_queries, mrl.kept_queries, mrl.query_inbox
create table if not exists mrl.query_slots (
    table_id regclass not null,
    full_column name not null,
    slot int not null check (slot > 0),
    -- a day, not a moment: that would lead to a request, and so to a person
    kept_on date,
    query vector,
    primary key (table_id, full_column, slot),
    foreign key (table_id, full_column) references mrl.query_sampling on delete cascade
)
-- half of each page stays free, so that a new query takes the place of the old one there
with (fillfactor = 50);

-- "drop extension vector cascade" takes it along
alter table mrl.query_slots add column if not exists query vector;

comment on table mrl.query_slots is
'Queries that were kept, read through mrl.kept_queries: the vector and the day, no more.';

revoke all on mrl.query_slots from public;
