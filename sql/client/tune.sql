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
        and pg_catalog.has_database_privilege(pg_catalog.current_database(), 'temporary')
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
-- How many rows some pages of a table hold, if it was never analyzed.
-- Slots: table, first, last (a place; that row is not among them)
-- Called by: mrl_pg.tune.rows.table
select pg_catalog.count(*)
from {table} as origin
where origin.ctid operator(pg_catalog.>=) {first}::pg_catalog.tid
    and origin.ctid operator(pg_catalog.<) {last}::pg_catalog.tid

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

-- name: key_hash
-- Part of a statement: a number that a row keeps when it moves, from its partition and key.
-- Slots: key (a column of the primary key), seed (the partition, or the hash of other columns)
-- Called by: mrl_pg.tune.rows.stream
pg_catalog.hashtextextended(
            origin.{key}::pg_catalog.text collate pg_catalog."C", {seed}
        )

-- name: key_seed
-- Part of a statement: a number for the partition of a row, with which its hash begins.
-- Slots: table_id (so that the number is 0 where there are no partitions)
-- Called by: mrl_pg.tune.rows.stream
origin.tableoid::pg_catalog.int8 operator(pg_catalog.-) {table_id}

-- name: drawn_by_hash
-- Part of a statement: a condition that lets through a share of the rows, by their hashes.
-- Slots: seed, limit
-- Called by: mrl_pg.tune.rows.stream
and pg_catalog.hashint8extended(sampled.hash, {seed}::pg_catalog.int8)
        operator(pg_catalog.<) {limit}::pg_catalog.int8

-- name: sample_rows
-- Part of a statement: rows of some pages, each with its place, its hash and its full vector.
-- Slots: full, table, hash, first, last (a place), left_out (hashes), drawn (a condition)
-- Called by: mrl_pg.tune.rows.stream
select
    sampled.part,
    sampled.place,
    sampled.hash,
    sampled.embedding
from (
    select
        origin.tableoid as part,
        origin.ctid as place,
        {hash} as hash,
        origin.{full} as embedding
    from {table} as origin
    where origin.ctid operator(pg_catalog.>=) {first}::pg_catalog.tid
        and origin.ctid operator(pg_catalog.<) {last}::pg_catalog.tid
        and origin.{full} is not null
    -- so that a hash is computed once
    offset 0
) as sampled
where sampled.hash operator(pg_catalog.<>) all ({left_out}::pg_catalog.int8[])
    {drawn}

-- name: copy_rows
-- The rows of a select, in the binary format of COPY.
-- Slots: rows (the select)
-- Called by: mrl_pg.tune.rows.stream
copy (
{rows}
) to stdout
with (format binary)

-- name: create_sample
-- A temporary table for the rows that were read.
-- Slots: sample (its name), type (of the full column)
-- Called by: mrl_pg.tune.rows.sample_table
create temporary table {sample} (
    id bigint generated always as identity primary key,
    part pg_catalog.oid,
    place pg_catalog.tid,
    hash bigint,
    embedding {type}
)

-- name: keep_rows
-- Adds rows to a sample.
-- Slots: sample, rows (a select)
-- Called by: mrl_pg.tune.rows.sample_table
insert into {sample} (part, place, hash, embedding)
{rows}

-- name: kept_rows
-- Part of a statement: the rows that were added to a sample after some row.
-- Slots: sample, after
-- Called by: mrl_pg.tune.rows.sample_table
select kept.part, kept.place, kept.hash, kept.embedding
from {sample} as kept
where kept.id operator(pg_catalog.>) {after}
order by kept.id

-- name: forget_rows
-- Deletes rows that were added to a sample after some row.
-- Slots: sample, after, hashes
-- Called by: mrl_pg.tune.rows.sample_table
delete from {sample} as kept
where kept.id operator(pg_catalog.>) {after}
    and kept.hash operator(pg_catalog.=) any({hashes}::pg_catalog.int8[])

-- name: drop_sample
-- Drops a sample.
-- Slots: sample
-- Called by: mrl_pg.tune.rows.sample_table
drop table if exists {sample}

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
-- Slots: hash, columns (each cut), table, oids, tids
-- Called by: mrl_pg.tune.advice.examples
select
    origin.tableoid,
    origin.ctid::pg_catalog.text,
    {hash} as hash,
    {columns}
from {table} as origin
-- the first condition finds rows without a full scan, the second tells partitions apart
where origin.ctid operator(pg_catalog.=) any({tids}::pg_catalog.tid[])
    and (origin.tableoid, origin.ctid) operator(pg_catalog.=) any (
        select wanted.oid, wanted.tid
        from rows from (
            pg_catalog.unnest({oids}::pg_catalog.oid[]),
            pg_catalog.unnest({tids}::pg_catalog.tid[])
        ) as wanted (oid, tid)
    )

-- name: scratch_lock
-- Tells other sessions that a schema for test indexes is in use.
-- Parameters: key (the number in the name of the schema)
-- Called by: mrl_pg.tune.trial.scratch
select pg_catalog.pg_advisory_lock(%(key)s::pg_catalog.int8)

-- name: scratch_unlock
-- Tells other sessions that the schema is no longer in use.
-- Parameters: key (the number in the name of the schema)
-- Called by: mrl_pg.tune.trial.scratch
select pg_catalog.pg_advisory_unlock(%(key)s::pg_catalog.int8)

-- name: scratch_left
-- Schemas that broken runs left, whose sessions have ended.
-- No parameters.
-- Called by: mrl_pg.tune.trial.scratch
select space.nspname as schema
from pg_catalog.pg_namespace as space
where pg_catalog.starts_with(space.nspname::pg_catalog.text, 'mrl_tune_')
    and pg_catalog.length(space.nspname::pg_catalog.text) operator(pg_catalog.=) 25
    and pg_catalog.pg_has_role(space.nspowner, 'usage')
    and not exists (
        select
        from pg_catalog.pg_locks as lock
        where lock.locktype operator(pg_catalog.=) 'advisory'
            and lock.objsubid operator(pg_catalog.=) 1
            and pg_catalog.concat(
                'mrl_tune_',
                pg_catalog.lpad(pg_catalog.to_hex(lock.classid::pg_catalog.int8), 8, '0'),
                pg_catalog.lpad(pg_catalog.to_hex(lock.objid::pg_catalog.int8), 8, '0')
            ) operator(pg_catalog.=) space.nspname::pg_catalog.text
    )

-- name: scratch_schema
-- A schema for test indexes, with a first table, by which `status` finds it after a kill.
-- Slots: schema
-- Called by: mrl_pg.tune.trial.scratch
create schema {schema}
    create table {schema}.made_by_tune ()

-- name: drop_scratch
-- Drops a schema for test indexes.
-- Slots: schema
-- Called by: mrl_pg.tune.trial.scratch
drop schema if exists {schema} cascade

-- name: scratch_table
-- A table for a copy of sampled rows, on which indexes are tested.
-- Slots: table, type (of the full column)
-- Called by: mrl_pg.tune.trial.scratch
create unlogged table {table} (
    id bigint generated always as identity primary key,
    embedding {type}
)
-- nothing runs beside a search that is timed
with (autovacuum_enabled = false, toast.autovacuum_enabled = false)

-- name: scratch_copy
-- Copies the full vectors of a sample or of a copy, in the order of their keys.
-- Slots: scratch, origin
-- Called by: mrl_pg.tune.trial.scratch
insert into {scratch} (embedding)
select copied.embedding
from {origin} as copied
order by copied.id

-- name: scratch_part
-- Part of a statement: some rows of a copy after an id, in the order of their ids.
-- Slots: table, after (an id), most (rows)
-- Called by: mrl_pg.tune.trial.scratch
select part.id, part.embedding
from {table} as part
where part.id operator(pg_catalog.>) {after}
order by part.id
limit {most}

-- name: scratch_out
-- Sends the full vectors of a copy to the client, which has them copied once more.
-- Slots: table
-- Called by: mrl_pg.tune.trial.under_limit
copy {table} (id, embedding) to stdout (format binary)

-- name: scratch_in
-- Fills a table with full vectors from the client.
-- Slots: table
-- Called by: mrl_pg.tune.trial.scratch, mrl_pg.tune.trial.under_limit
copy {table} (id, embedding) from stdin (format binary)

-- name: scratch_received
-- A table for full vectors that another server sent.
-- Slots: table, type (of the full column)
-- Called by: mrl_pg.tune.trial.under_limit
create unlogged table {table} (id bigint primary key, embedding {type})

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
-- The SQL that is printed with a recommendation: build the index, calibrate it, search.
-- Slots: table (text), name, column, dims, options, k, recall, index_name, queries
-- Called by: mrl_pg.tune.advice.commands
select mrl.create_index({table}, {column}, dims => {dims}{options});
select * from mrl.calibrate({table}, {column}, k => {k}, index_name => {index_name}{queries});
select * from mrl.search(null::{name}, {column}, $1, k => {k}, recall => {recall}, index_name => {index_name});

-- name: recommended_kept
-- Calibrates with the queries that were kept, in what `recommended` prints.
-- Slots: table (text), column
-- Called by: mrl_pg.tune.advice.commands
, queries => mrl.kept_queries({table}, {column})

-- name: recommended_selected
-- Calibrates with the queries of a statement, in what `recommended` prints.
-- Slots: select
-- Called by: mrl_pg.tune.advice.commands
, queries => array({select})
