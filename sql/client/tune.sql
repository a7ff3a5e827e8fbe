-- What `mrl-pg tune` reads about a table, and the copies on which it tests indexes.

-- name: tune_table
-- The facts of a table and its server that `mrl-pg tune` needs, in one row.
-- Parameters: table_id, column
-- Called by: mrl_pg.tune.rows.table
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
    -- as the planner estimates: rows per page at the last analyze, times pages now
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

-- name: count_rows
-- How many rows a table has, if it was never analyzed.
-- Slots: table
-- Called by: mrl_pg.tune.rows.table
select pg_catalog.count(*)
from {table}

-- name: toast_bytes
-- Bytes of a table's values that are stored outside its rows.
-- Parameters: schema, table
-- Called by: mrl_pg.tune.trial.scratch
select case
    when class.reltoastrelid operator(pg_catalog.<>) 0
    then coalesce(pg_catalog.pg_relation_size(class.reltoastrelid), 0)
    else 0
end
from pg_catalog.pg_class as class
join pg_catalog.pg_namespace as space on space.oid operator(pg_catalog.=) class.relnamespace
where space.nspname operator(pg_catalog.=) %(schema)s
    and class.relname operator(pg_catalog.=) %(table)s

-- name: sample_rows
-- Full vectors of a table and where each row is, in the binary format of COPY.
-- Slots: full, table, sample (a tablesample clause, or nothing)
-- Called by: mrl_pg.tune.rows.stream
copy (
    select
        sampled.tableoid,
        sampled.ctid,
        sampled.{full}
    from {table} as sampled {sample}
    where sampled.{full} is not null
) to stdout
with (format binary)

-- name: given_queries
-- Query vectors that a statement of the user's selects, in the binary format of COPY.
-- Slots: type (of the full column), select, count
-- Called by: mrl_pg.tune.queries
copy (
    select given.vector::{type}
    from (
{select}
    ) as given (vector)
    where given.vector is not null
    limit {count}
) to stdout
with (format binary)

-- name: kept_queries
-- The real queries of a column, one per row.
-- Slots: table (its name, as a literal), column
-- Called by: mrl_pg.tune.queries
select pg_catalog.unnest(mrl.kept_queries({table}, {column}))

-- name: shown_rows
-- Shortened columns of some rows as text. Rows are named by table and ctid.
-- Slots: columns (each cut), table, oids, tids
-- Called by: mrl_pg.tune.advice.examples
select
    shown.tableoid,
    shown.ctid::pg_catalog.text,
    {columns}
from {table} as shown
-- the first condition finds rows without a full scan, the second tells partitions apart
where shown.ctid operator(pg_catalog.=) any({tids}::pg_catalog.tid[])
    and (shown.tableoid, shown.ctid) operator(pg_catalog.=) any (
        select wanted.oid, wanted.tid
        from rows from (
            pg_catalog.unnest({oids}::pg_catalog.oid[]),
            pg_catalog.unnest({tids}::pg_catalog.tid[])
        ) as wanted (oid, tid)
    )

-- name: scratch_schema
-- A schema for test indexes. It does not outlive the transaction that creates it.
-- Slots: schema
-- Called by: mrl_pg.tune.trial.scratch
create schema {schema}

-- name: scratch_table
-- A table for a copy of sampled rows, on which indexes are tested.
-- Slots: table, type (of the full column)
-- Called by: mrl_pg.tune.trial.scratch
create unlogged table {table} (
    id bigint generated always as identity primary key,
    embedding {type}
)

-- name: scratch_rows
-- Copies the sampled rows that are not queries, with the sample that was read before.
-- Slots: scratch, full, table, sample (a tablesample clause, or nothing), oids, tids
-- Called by: mrl_pg.tune.trial.scratch
insert into {scratch} (embedding)
select sampled.{full}
from {table} as sampled {sample}
where sampled.{full} is not null
    and not (sampled.tableoid, sampled.ctid) operator(pg_catalog.=) any (
        select held.oid, held.tid
        from rows from (
            pg_catalog.unnest({oids}::pg_catalog.oid[]),
            pg_catalog.unnest({tids}::pg_catalog.tid[])
        ) as held (oid, tid)
    )

-- name: scratch_again
-- Copies the full vectors of one copy into another, in the order of their keys.
-- Slots: scratch, origin
-- Called by: mrl_pg.tune.trial.scratch
insert into {scratch} (embedding)
select copied.embedding
from {origin} as copied
order by copied.id

-- name: analyze_table
-- Collects statistics of a table, so that its plans are like those of a table in use.
-- Slots: table
-- Called by: mrl_pg.tune.trial.scratch
analyze {table}

-- name: keep_in_row
-- After the next rewrite, stores a column's values in the row, together with the other columns.
-- Slots: table, column
-- Called by: mrl_pg.tune.trial.storage, which prints it
alter table {table} alter column {column} set storage plain; alter table {table} set (toast_tuple_target = 8160)

-- name: keep_in_rows
-- The same for a partitioned table: its partitions would not use its toast_tuple_target.
-- Slots: table, column
-- Called by: mrl_pg.tune.trial.storage, which prints it
alter table {table} alter column {column} set storage plain

-- name: recommended
-- The SQL that is printed with a recommendation: build the index, then search with it.
-- Slots: table (text), name, column, dims, options, k, candidates, ef_search, index_name
-- Called by: mrl_pg.tune.advice.commands
select mrl.create_index({table}, {column}, dims => {dims}{options});
select * from mrl.search(null::{name}, {column}, $1, k => {k}, candidates => {candidates}, ef_search => {ef_search}, index_name => {index_name});
