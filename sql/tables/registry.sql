-- One row per short column and index that mrl_pg made; owners of a table write its rows.
-- mrl.registry
-- Called by: queries/register.sql, queries/unregister.sql, mrl.indexes
create table if not exists mrl.registry (
    -- regclass follows a rename, and pg_dump writes it as a name
    table_id regclass not null,
    full_column name not null,
    short_column name not null,
    index_name name not null,
    dims int not null check (dims > 0),
    kind text not null check (kind in ('vector', 'halfvec', 'bit')),
    distance text not null check (distance in ('cosine', 'l2', 'ip')),
    created_at timestamptz not null default now(),
    primary key (table_id, index_name)
);

comment on table mrl.registry is
'Short columns and indexes made by mrl_pg; read them through mrl.indexes.';

alter table mrl.registry enable row level security;
drop policy if exists readable on mrl.registry;
create policy readable on mrl.registry for select using (true);
drop policy if exists owned on mrl.registry;
create policy owned on mrl.registry for all using (
    -- a row whose table is gone belongs to whoever meets it
    coalesce(
        (
            select pg_has_role(current_user, class.relowner, 'usage')
            from pg_class as class
            where class.oid = table_id
        ),
        true
    )
);
