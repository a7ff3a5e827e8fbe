-- What choosing a short index asks of a table and its server, in one row.
-- Parameters: table_id, column
-- Called by: mrl_pg.tune.table
with recursive part (id) as (
    select %(table_id)s::pg_catalog.oid
    union
    select child.inhrelid
    from part
    join pg_catalog.pg_inherits as child on child.inhparent = part.id
),
heap as (
    select
        class.reltuples,
        class.relpages,
        pg_catalog.pg_relation_size(class.oid) as bytes,
        case
            when class.reltoastrelid <> 0
            then pg_catalog.pg_relation_size(class.reltoastrelid)
            else 0
        end as toast_bytes
    from part
    join pg_catalog.pg_class as class on class.oid = part.id
    where class.relkind = 'r'
)
select
    (
        select pg_catalog.quote_ident(space.nspname)
            || '.' || pg_catalog.quote_ident(class.relname)
        from pg_catalog.pg_class as class
        join pg_catalog.pg_namespace as space on space.oid = class.relnamespace
        where class.oid = %(table_id)s
    ) as name,
    sum(heap.bytes)::bigint as heap_bytes,
    sum(heap.toast_bytes)::bigint as toast_bytes,
    -- as the planner does: the density then, over the pages now
    sum(
        heap.reltuples * case
            when heap.relpages > 0
            then heap.bytes / 8192.0 / heap.relpages
            else 1
        end
    )::bigint as estimated_rows,
    bool_and(heap.reltuples >= 0 and (heap.relpages > 0 or heap.bytes = 0)) as analysed,
    (
        select sum(statistics.avg_width)::bigint
        from pg_catalog.pg_stats as statistics
        join pg_catalog.pg_class as class on class.relname = statistics.tablename
        join pg_catalog.pg_namespace as space
            on space.oid = class.relnamespace
            and space.nspname = statistics.schemaname
        where class.oid = %(table_id)s
            and statistics.inherited = (class.relkind = 'p')
    ) as row_width,
    (
        select attribute.attstorage::text
        from pg_catalog.pg_attribute as attribute
        where attribute.attrelid = %(table_id)s
            and attribute.attname = %(column)s
    ) as storage,
    (
        select class.relkind = 'p'
        from pg_catalog.pg_class as class
        where class.oid = %(table_id)s
    ) as partitioned,
    pg_catalog.pg_size_bytes(pg_catalog.current_setting('effective_cache_size'))
        as cache_bytes,
    pg_catalog.pg_size_bytes(pg_catalog.current_setting('maintenance_work_mem'))
        as build_bytes,
    pg_catalog.has_database_privilege(pg_catalog.current_database(), 'create')
        and pg_catalog.current_setting('transaction_read_only') = 'off'
        as may_create,
    pg_catalog.current_setting('server_version') as server,
    (
        select extension.extversion
        from pg_catalog.pg_extension as extension
        where extension.extname = 'vector'
    ) as pgvector,
    pg_catalog.to_char(
        pg_catalog.timezone('UTC', pg_catalog.now()),
        'YYYY-MM-DD HH24:MI "UTC"'
    ) as read_at
from heap
