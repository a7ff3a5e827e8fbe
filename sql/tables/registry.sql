-- One row per short column and index that mrl_pg made; all may read it.
-- mrl.registry
-- Called by: mrl.register, mrl.unregister, mrl.indexes
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

-- what early installs had; it kept pg_dump from reading for roles without BYPASSRLS
alter table mrl.registry disable row level security;
drop policy if exists readable on mrl.registry;
drop policy if exists owned on mrl.registry;
