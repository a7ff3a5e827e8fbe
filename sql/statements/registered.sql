-- Short columns that mrl_pg knows of, by what they are called now, and how they were built.
-- Slots: table, a literal to be found on the search path or in its schema; NULL for all
-- Called by: mrl_pg.sqlalchemy.reflect
select
    space.nspname::pg_catalog.text as schema,
    class.relname::pg_catalog.text as "table",
    coalesce(called.full_column, known.full_column)::pg_catalog.text as "column",
    coalesce(called.short_column, known.short_column)::pg_catalog.text as short,
    known.index_name::pg_catalog.text as name,
    known.dims,
    known.kind,
    known.distance,
    -- an index that was dropped by hand has none
    coalesce(known.m::int, 16) as m,
    coalesce(known.ef_construction::int, 64) as ef_construction,
    known.usable,
    pg_catalog.pg_table_is_visible(class.oid) as visible,
    -- the registry keeps the names that there were
    coalesce(
        called.full_column operator(pg_catalog.=) known.full_column
        and called.short_column operator(pg_catalog.=) known.short_column,
        true
    ) as up_to_date
from mrl.indexes as known
join pg_catalog.pg_class as class on class.oid operator(pg_catalog.=) known.table_name
join pg_catalog.pg_namespace as space on space.oid operator(pg_catalog.=) class.relnamespace
left join lateral (
    -- the column of the index, and the one that it is generated from
    select
        short_column.attname as short_column,
        full_column.attname as full_column
    from pg_catalog.pg_index as state
    join pg_catalog.pg_class as index_class
        on index_class.oid operator(pg_catalog.=) state.indexrelid
    join pg_catalog.pg_attribute as short_column
        on short_column.attrelid operator(pg_catalog.=) state.indrelid
        and short_column.attnum operator(pg_catalog.=) state.indkey[0]
    join pg_catalog.pg_attrdef as value
        on value.adrelid operator(pg_catalog.=) state.indrelid
        and value.adnum operator(pg_catalog.=) short_column.attnum
    join pg_catalog.pg_depend as reads
        on reads.refclassid
            operator(pg_catalog.=) 'pg_catalog.pg_class'::pg_catalog.regclass
        and reads.refobjid operator(pg_catalog.=) state.indrelid
        and reads.refobjsubid operator(pg_catalog.<>) short_column.attnum
        and (
            reads.classid
                operator(pg_catalog.=) 'pg_catalog.pg_attrdef'::pg_catalog.regclass
            and reads.objid operator(pg_catalog.=) value.oid
            -- PostgreSQL 14
            or reads.classid
                operator(pg_catalog.=) 'pg_catalog.pg_class'::pg_catalog.regclass
            and reads.objid operator(pg_catalog.=) state.indrelid
            and reads.objsubid operator(pg_catalog.=) short_column.attnum
        )
    join pg_catalog.pg_attribute as full_column
        on full_column.attrelid operator(pg_catalog.=) state.indrelid
        and full_column.attnum operator(pg_catalog.=) reads.refobjsubid
    where state.indrelid operator(pg_catalog.=) class.oid
        and index_class.relname operator(pg_catalog.=) known.index_name
    limit 1
) as called on true
where {table}::pg_catalog.text is null
    or known.table_name operator(pg_catalog.=) pg_catalog.to_regclass({table})
order by space.nspname, class.relname, known.created_at, known.index_name
