-- Bytes of one index, named by schema and name.
-- Parameters: schema, index_name
-- Called by: mrl_pg.recall.single_pass, mrl_pg.tune.scratch
select pg_catalog.pg_relation_size(class.oid)
from pg_catalog.pg_class as class
join pg_catalog.pg_namespace as space on space.oid operator(pg_catalog.=) class.relnamespace
where space.nspname operator(pg_catalog.=) %(schema)s
    and class.relname operator(pg_catalog.=) %(index_name)s
