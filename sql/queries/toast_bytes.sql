-- Bytes of a table's values that are kept outside its rows.
-- Parameters: schema, table
-- Called by: mrl_pg.tune.scratch
select case
    when class.reltoastrelid operator(pg_catalog.<>) 0
    then coalesce(pg_catalog.pg_relation_size(class.reltoastrelid), 0)
    else 0
end
from pg_catalog.pg_class as class
join pg_catalog.pg_namespace as space on space.oid operator(pg_catalog.=) class.relnamespace
where space.nspname operator(pg_catalog.=) %(schema)s
    and class.relname operator(pg_catalog.=) %(table)s
