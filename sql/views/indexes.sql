-- The short columns of this database, for people to read.
-- mrl.indexes
-- Called by: people, mrl-pg indexes
create or replace view mrl.indexes as
select
    registry.table_id as table_name,
    registry.full_column,
    case
        when full_attribute.atttypmod operator(pg_catalog.<>) -1
        then full_attribute.atttypmod
    end as full_dims,
    -- NULL if there is no column
    case
        when registry.kept_as operator(pg_catalog.<>) 'expression' then registry.short_column
    end as short_column,
    registry.dims,
    registry.kind,
    registry.distance,
    registry.index_name,
    option.m,
    option.ef_construction,
    coalesce(index.usable, false) as usable,
    -- the machine that is asked holds no row of a table that Citus spreads
    case
        when not mrl._is_spread(table_class.oid)
        then mrl.index_bytes(index.oid::pg_catalog.regclass)
    end as index_bytes,
    case
        when table_class.reltuples operator(pg_catalog.<>) -1
            and not mrl._is_spread(table_class.oid)
        then table_class.reltuples::bigint
    end as estimated_rows,
    registry.created_at,
    registry.computed_as,
    registry.kept_as,
    -- the same order as in mrl._found
    pg_catalog.row_number() over (
        partition by registry.table_id, registry.full_column
        order by registry.chosen_at desc nulls last, registry.created_at, registry.index_name
    ) operator(pg_catalog.=) 1 as in_use,
    filled.model,
    turned.version as rotation
from mrl.registry as registry
left join mrl.column_models as filled
    on filled.table_id operator(pg_catalog.=) registry.table_id
    and filled.full_column operator(pg_catalog.=) registry.full_column
left join mrl.column_rotations as turned
    on turned.table_id operator(pg_catalog.=) registry.table_id
    and turned.full_column operator(pg_catalog.=) registry.full_column
join pg_catalog.pg_class as table_class
    on table_class.oid operator(pg_catalog.=) registry.table_id
left join pg_catalog.pg_attribute as full_attribute
    on full_attribute.attrelid operator(pg_catalog.=) table_class.oid
    and full_attribute.attname operator(pg_catalog.=) registry.full_column
    and not full_attribute.attisdropped
left join lateral (
    -- by table and name, because an index of that name may belong to another table
    select
        class.oid,
        class.reloptions,
        state.indisvalid and state.indisready as usable
    from pg_catalog.pg_index as state
    join pg_catalog.pg_class as class on class.oid operator(pg_catalog.=) state.indexrelid
    where state.indrelid operator(pg_catalog.=) table_class.oid
        and class.relname operator(pg_catalog.=) registry.index_name
) as index on true
left join lateral (
    select
        pg_catalog.max(option_value) filter (
            where option_name operator(pg_catalog.=) 'm'
        ) as m,
        pg_catalog.max(option_value) filter (
            where option_name operator(pg_catalog.=) 'ef_construction'
        ) as ef_construction
    from pg_catalog.pg_options_to_table(index.reloptions)
) as option on true;

comment on view mrl.indexes is
'Short columns made by mrl_pg: table, dims, kind, distance, index and its size. '
'computed_as: prefix or bits. kept_as: generated, trigger or expression, which has no column. '
'in_use: whether a search that names no index of the column uses this one. '
'model: the embedding model of the full column, if mrl.set_model was told. '
'rotation: the version of the rotation of the full column, if it is rotated.';
