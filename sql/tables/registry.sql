-- One row per short column and index that mrl_pg made.
-- mrl._registry
-- Called by: mrl.registry, mrl._own_registry
create table if not exists mrl._registry (
    entry int not null references mrl._tables on delete cascade,
    full_column pg_catalog.name not null,
    short_column pg_catalog.name not null,
    index_name pg_catalog.name not null,
    dims int not null check (dims operator(pg_catalog.>) 0),
    kind pg_catalog.text not null check (
        kind operator(pg_catalog.=) any ('{vector,halfvec,bit}'::pg_catalog.text[])
    ),
    distance pg_catalog.text not null check (
        distance operator(pg_catalog.=) any ('{cosine,l2,ip}'::pg_catalog.text[])
    ),
    created_at pg_catalog.timestamptz not null default pg_catalog.now(),
    computed_as pg_catalog.text not null check (
        computed_as operator(pg_catalog.=) case
            when kind operator(pg_catalog.=) 'bit' then 'bits'
            else 'prefix'
        end
    ),
    kept_as pg_catalog.text not null check (
        kept_as operator(pg_catalog.=) any ('{generated,expression,trigger}'::pg_catalog.text[])
    ),
    chosen_at pg_catalog.timestamptz,
    in_place_of pg_catalog.name,
    default_name boolean not null default false,
    primary key (entry, index_name)
);

comment on table mrl._registry is
'Internal. Short columns and indexes made by mrl_pg; read them through mrl.indexes.';

comment on column mrl._registry.computed_as is
'How short values are computed: prefix (the renormalised prefix) or bits (the signs of the '
'prefix).';
comment on column mrl._registry.kept_as is
'What keeps short values up to date: generated (PostgreSQL computes the column), trigger (a '
'trigger fills the column) or expression (there is no column, only the index).';
comment on column mrl._registry.chosen_at is
'When mrl.switch_index last chose the index. A search that names no index uses the index that '
'was chosen last, and the oldest if none was chosen.';
comment on column mrl._registry.in_place_of is
'The full column that this full column stands in for since mrl.switch_column; the same in all '
'rows of a full column.';
comment on column mrl._registry.default_name is
'Whether the index had its default name when it was registered; it may be renamed by now.';
