-- Short columns that mrl_pg knows of, each with what its index was built with.
-- Parameters: table, a name to be found on the search path or in its schema; NULL for all
-- Called by: mrl_pg.sqlalchemy.reflect
select
    space.nspname::text as schema,
    class.relname::text as "table",
    known.full_column::text as "column",
    known.short_column::text as short,
    known.index_name::text as name,
    known.dims,
    known.kind,
    known.distance,
    -- an index that was dropped by hand has none
    coalesce(known.m::int, 16) as m,
    coalesce(known.ef_construction::int, 64) as ef_construction,
    known.usable,
    pg_catalog.pg_table_is_visible(class.oid) as visible
from mrl.indexes as known
join pg_catalog.pg_class as class on class.oid = known.table_name
join pg_catalog.pg_namespace as space on space.oid = class.relnamespace
where %(table)s::text is null
    or known.table_name = pg_catalog.to_regclass(%(table)s)
order by space.nspname, class.relname, known.created_at, known.index_name
