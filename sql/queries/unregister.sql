-- Takes one short column out of the registry.
-- Parameters: schema, table, index_name
-- Called by: mrl_pg.build
delete from mrl.registry as registry
using pg_catalog.pg_class as class, pg_catalog.pg_namespace as space
where registry.table_id = class.oid
    and class.relnamespace = space.oid
    and space.nspname = %(schema)s
    and class.relname = %(table)s
    and registry.index_name = %(index_name)s
