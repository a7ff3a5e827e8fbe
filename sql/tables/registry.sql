-- One row per short column and index that mrl_pg made.
-- mrl._registry
-- Called by: mrl.registry, mrl._own_registry, refresh.sql
create table if not exists mrl._registry (
    entry int not null references mrl._tables on delete cascade,
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
    primary key (entry, index_name)
);

comment on table mrl._registry is
'Internal. Short columns and indexes made by mrl_pg; read them through mrl.indexes.';
comment on column mrl._registry.slots is
'Derived: what a search puts into its statement. Checked against the catalog each time.';
comment on column mrl._registry.pattern is
'Derived: the statement of a search, for format().';
