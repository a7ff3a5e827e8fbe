-- Bytes of an index and the rows it holds, as the build counted them.
-- Parameters: schema, table, index_name
-- Called by: mrl_pg.build.create
select
    mrl.index_bytes(index_class.oid::pg_catalog.regclass) as index_bytes,
    (
        select coalesce(pg_catalog.sum(greatest(part.reltuples, 0)), 0)::bigint
        from pg_catalog.pg_class as part
        where part.relkind operator(pg_catalog.=) 'i'
            and part.oid operator(pg_catalog.=) any (
                select index_class.oid
                union all
                select tree.relid
                from pg_catalog.pg_partition_tree(index_class.oid) as tree
            )
    ) as rows
from pg_catalog.pg_class as class
join pg_catalog.pg_namespace as space on space.oid operator(pg_catalog.=) class.relnamespace
join pg_catalog.pg_index as state on state.indrelid operator(pg_catalog.=) class.oid
join pg_catalog.pg_class as index_class
    on index_class.oid operator(pg_catalog.=) state.indexrelid
where space.nspname operator(pg_catalog.=) %(schema)s
    and class.relname operator(pg_catalog.=) %(table)s
    and index_class.relname operator(pg_catalog.=) %(index_name)s
