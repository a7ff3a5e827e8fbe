-- Bytes of a table's values that are kept outside its rows.
-- Parameters: schema, table
-- Called by: mrl_pg.tune.scratch
select coalesce(pg_catalog.pg_relation_size(nullif(class.reltoastrelid, 0)), 0)
from pg_catalog.pg_class as class
join pg_catalog.pg_namespace as space on space.oid = class.relnamespace
where space.nspname = %(schema)s
    and class.relname = %(table)s
