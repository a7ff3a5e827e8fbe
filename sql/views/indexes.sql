-- The short columns of this database, for people to look at.
-- mrl.indexes
-- Called by: people, mrl-pg indexes
create or replace view mrl.indexes as
select
    registry.table_id as table_name,
    registry.full_column,
    nullif(full_attribute.atttypmod, -1) as full_dims,
    registry.short_column,
    registry.dims,
    registry.kind,
    registry.distance,
    registry.index_name,
    option.m,
    option.ef_construction,
    coalesce(index.usable, false) as usable,
    mrl.index_bytes(index.oid::regclass) as index_bytes,
    nullif(table_class.reltuples, -1)::bigint as estimated_rows,
    registry.created_at
from mrl.registry as registry
join pg_class as table_class on table_class.oid = registry.table_id
left join pg_attribute as full_attribute
    on full_attribute.attrelid = table_class.oid
    and full_attribute.attname = registry.full_column
    and not full_attribute.attisdropped
left join lateral (
    -- by table and name: an index of that name may be another table's
    select
        class.oid,
        class.reloptions,
        state.indisvalid and state.indisready as usable
    from pg_index as state
    join pg_class as class on class.oid = state.indexrelid
    where state.indrelid = table_class.oid
        and class.relname = registry.index_name
) as index on true
left join lateral (
    select
        max(option_value) filter (where option_name = 'm') as m,
        max(option_value) filter (
            where option_name = 'ef_construction'
        ) as ef_construction
    from pg_options_to_table(index.reloptions)
) as option on true;

comment on view mrl.indexes is
'Short columns made by mrl_pg: table, dims, kind, distance, index and its size.';
