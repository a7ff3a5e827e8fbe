-- Takes one short column out of the registry.
-- Parameters: schema, table, index_name
-- Called by: mrl_pg.build.create
select mrl.unregister(class.oid::pg_catalog.regclass, %(index_name)s)
from pg_catalog.pg_class as class
join pg_catalog.pg_namespace as space on space.oid operator(pg_catalog.=) class.relnamespace
where space.nspname operator(pg_catalog.=) %(schema)s
    and class.relname operator(pg_catalog.=) %(table)s
