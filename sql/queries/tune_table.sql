-- What choosing a short index asks of a table and its server, in one row.
-- Parameters: table_id, column
-- Called by: mrl_pg.tune.table
with recursive part (id) as (
    select %(table_id)s::pg_catalog.oid
    union
    select child.inhrelid
    from part
    join pg_catalog.pg_inherits as child on child.inhparent operator(pg_catalog.=) part.id
),
heap as (
    select
        class.reltuples,
        class.relpages,
        pg_catalog.pg_relation_size(class.oid) as bytes,
        case
            when class.reltoastrelid operator(pg_catalog.<>) 0
            then pg_catalog.pg_relation_size(class.reltoastrelid)
            else 0
        end as toast_bytes
    from part
    join pg_catalog.pg_class as class on class.oid operator(pg_catalog.=) part.id
    where class.relkind operator(pg_catalog.=) 'r'
)
select
    (
        select pg_catalog.format('%%I.%%I', space.nspname, class.relname)
        from pg_catalog.pg_class as class
        join pg_catalog.pg_namespace as space
            on space.oid operator(pg_catalog.=) class.relnamespace
        where class.oid operator(pg_catalog.=) %(table_id)s
    ) as name,
    pg_catalog.sum(heap.bytes)::bigint as heap_bytes,
    pg_catalog.sum(heap.toast_bytes)::bigint as toast_bytes,
    -- as the planner does: the density then, over the pages now
    pg_catalog.sum(
        heap.reltuples operator(pg_catalog.*) case
            when heap.relpages operator(pg_catalog.>) 0
            then heap.bytes operator(pg_catalog./) 8192.0 operator(pg_catalog./) heap.relpages
            else 1
        end
    )::bigint as estimated_rows,
    pg_catalog.bool_and(
        heap.reltuples operator(pg_catalog.>=) 0
        and (
            heap.relpages operator(pg_catalog.>) 0
            or heap.bytes operator(pg_catalog.=) 0
        )
    ) as analysed,
    (
        select pg_catalog.sum(statistics.avg_width)::bigint
        from pg_catalog.pg_stats as statistics
        join pg_catalog.pg_class as class
            on class.relname operator(pg_catalog.=) statistics.tablename
        join pg_catalog.pg_namespace as space
            on space.oid operator(pg_catalog.=) class.relnamespace
            and space.nspname operator(pg_catalog.=) statistics.schemaname
        where class.oid operator(pg_catalog.=) %(table_id)s
            and statistics.inherited
                operator(pg_catalog.=) (class.relkind operator(pg_catalog.=) 'p')
    ) as row_width,
    (
        select attribute.attstorage::pg_catalog.text
        from pg_catalog.pg_attribute as attribute
        where attribute.attrelid operator(pg_catalog.=) %(table_id)s
            and attribute.attname operator(pg_catalog.=) %(column)s
    ) as storage,
    (
        select class.relkind operator(pg_catalog.=) 'p'
        from pg_catalog.pg_class as class
        where class.oid operator(pg_catalog.=) %(table_id)s
    ) as partitioned,
    pg_catalog.pg_size_bytes(pg_catalog.current_setting('effective_cache_size'))
        as cache_bytes,
    pg_catalog.pg_size_bytes(pg_catalog.current_setting('maintenance_work_mem'))
        as build_bytes,
    pg_catalog.has_database_privilege(pg_catalog.current_database(), 'create')
        and pg_catalog.current_setting('transaction_read_only') operator(pg_catalog.=) 'off'
        as may_create,
    pg_catalog.current_setting('server_version') as server,
    (
        select extension.extversion
        from pg_catalog.pg_extension as extension
        where extension.extname operator(pg_catalog.=) 'vector'
    ) as pgvector,
    pg_catalog.to_char(
        pg_catalog.timezone('UTC', pg_catalog.now()),
        'YYYY-MM-DD HH24:MI "UTC"'
    ) as read_at
from heap
