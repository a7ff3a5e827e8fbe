-- Bytes of an index and the rows it holds, as the build counted them.
-- Parameters: schema, table, index_name
-- Called by: mrl_pg.build
select
    mrl.index_bytes(index_class.oid::regclass) as index_bytes,
    (
        select coalesce(sum(greatest(part.reltuples, 0)), 0)::bigint
        from pg_catalog.pg_class as part
        where part.relkind = 'i'
            and part.oid in (
                select index_class.oid
                union all
                select tree.relid
                from pg_catalog.pg_partition_tree(index_class.oid) as tree
            )
    ) as rows
from pg_catalog.pg_class as class
join pg_catalog.pg_namespace as space on space.oid = class.relnamespace
join pg_catalog.pg_index as state on state.indrelid = class.oid
join pg_catalog.pg_class as index_class on index_class.oid = state.indexrelid
where space.nspname = %(schema)s
    and class.relname = %(table)s
    and index_class.relname = %(index_name)s
