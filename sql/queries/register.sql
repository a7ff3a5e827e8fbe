-- Writes one short column into the registry and sweeps out rows whose table is gone.
-- Parameters: schema, table, full_column, short_column, index_name, dims, kind, distance
-- Called by: mrl_pg.build
with swept as (
    delete from mrl.registry as registry
    where not exists (
        select
        from pg_catalog.pg_class as class
        where class.oid = registry.table_id
    )
)
insert into mrl.registry (
    table_id, full_column, short_column, index_name, dims, kind, distance
)
select
    class.oid::regclass,
    %(full_column)s,
    %(short_column)s,
    %(index_name)s,
    %(dims)s,
    %(kind)s,
    %(distance)s
from pg_catalog.pg_class as class
join pg_catalog.pg_namespace as space on space.oid = class.relnamespace
where space.nspname = %(schema)s
    and class.relname = %(table)s
on conflict (table_id, index_name) do update
set
    full_column = excluded.full_column,
    short_column = excluded.short_column,
    dims = excluded.dims,
    kind = excluded.kind,
    distance = excluded.distance
