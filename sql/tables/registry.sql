-- One row per short column and index that mrl_pg made; all may read it.
-- mrl.registry
-- Called by: mrl.register, mrl.unregister, mrl._found, mrl.indexes
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
    -- derived: what spares a search the catalogs
    slots jsonb,
    pattern text,
    primary key (table_id, index_name)
);

comment on table mrl.registry is
'Short columns and indexes made by mrl_pg; read them through mrl.indexes.';
comment on column mrl.registry.slots is
'Derived: what a search puts into its statement. Checked against the catalog each time.';
comment on column mrl.registry.pattern is
'Derived: the statement of a search, for format().';
