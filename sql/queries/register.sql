-- Writes one short column into the registry and sweeps out rows whose table is gone.
-- Parameters: schema, table, full_column, short_column, index_name, dims, kind, distance
-- Called by: mrl_pg.build.create
select mrl.register(
    class.oid::pg_catalog.regclass,
    %(full_column)s,
    %(short_column)s,
    %(index_name)s,
    %(dims)s,
    %(kind)s,
    %(distance)s
)
from pg_catalog.pg_class as class
join pg_catalog.pg_namespace as space on space.oid operator(pg_catalog.=) class.relnamespace
where space.nspname operator(pg_catalog.=) %(schema)s
    and class.relname operator(pg_catalog.=) %(table)s
