-- Builds, drops and watches short columns and their indexes.

-- name: set_local
-- Changes a setting until the transaction ends.
-- Parameters: name, value
-- Called by: mrl_pg.build.settings
select pg_catalog.set_config(%(name)s, %(value)s, true)

-- name: setting
-- The current value of a setting; NULL if there is no such setting.
-- Parameters: name
-- Called by: mrl_pg.build.settings, mrl_pg.tune.transactions
select pg_catalog.current_setting(%(name)s, true) as value

-- name: set_session
-- Changes a setting of the session; NULL is its value at the start of the session.
-- Parameters: name, value
-- Called by: mrl_pg.build.settings, mrl_pg.tune.transactions
select pg_catalog.set_config(%(name)s, %(value)s, false)

-- name: sleep
-- Waits, as every driver can.
-- Parameters: seconds
-- Called by: mrl_pg.build.online
select pg_catalog.pg_sleep(%(seconds)s::pg_catalog.float8)

-- name: outlast_vacuum
-- The statement for a lock that autovacuum gives way to; it may last until the server sees to that.
-- Parameters: table_id
-- Called by: mrl_pg.build.online
select
    -- PostgreSQL cancels an autovacuum when a session has waited that long for it
    pg_catalog.set_config(
        'lock_timeout',
        pg_catalog.concat(setting.setting::pg_catalog.int8 operator(pg_catalog.+) 1000, 'ms'),
        true
    ),
    (
        select pg_catalog.format(
            'lock table %%I.%%I in share update exclusive mode', home.nspname, class.relname
        )
        from pg_catalog.pg_class as class
        join pg_catalog.pg_namespace as home
            on home.oid operator(pg_catalog.=) class.relnamespace
        where class.oid operator(pg_catalog.=) %(table_id)s::pg_catalog.oid
            and class.relkind operator(pg_catalog.=) any ('{r,p}'::pg_catalog."char"[])
    ) as statement
from pg_catalog.pg_settings as setting
where setting.name operator(pg_catalog.=) 'deadlock_timeout'

-- name: begin_build
-- Whether no other session builds on this table now; it then may not until `end_build`.
-- Parameters: table_id
-- Called by: mrl_pg.build.online
select
    -- 1836215405 stands for mrl_pg
    pg_catalog.pg_try_advisory_lock(
        1836215405, %(table_id)s::pg_catalog.oid::pg_catalog.int4
    ) as locked,
    mrl._builder(%(table_id)s::pg_catalog.oid) as builder

-- name: end_build
-- Lets other sessions build on this table again.
-- Parameters: table_id
-- Called by: mrl_pg.build.online
select pg_catalog.pg_advisory_unlock(
    1836215405, %(table_id)s::pg_catalog.oid::pg_catalog.int4
)

-- name: build_progress
-- The progress of a running `create index`; no row before it starts and after it ends.
-- Parameters: pid of the building session
-- Called by: mrl_pg.build.progress
select
    pg_catalog.concat(
        build.phase,
        -- of a concurrent build, which waits for every older transaction
        case when build.lockers_total operator(pg_catalog.>) build.lockers_done
            then pg_catalog.concat(
                ' (process ',
                blocker.pid,
                ' of role ',
                blocker.usename,
                ', whose transaction began at ',
                blocker.xact_start::pg_catalog.timestamptz(0),
                ')'
            )
        end
    ) as phase,
    build.blocks_done,
    build.blocks_total,
    build.tuples_done
from pg_catalog.pg_stat_progress_create_index as build
left join pg_catalog.pg_stat_activity as blocker
    on blocker.pid operator(pg_catalog.=) build.current_locker_pid
where build.pid operator(pg_catalog.=) %(pid)s

-- name: rename_index
-- Gives an index another name, in its own schema.
-- Slots: index, name
-- Called by: mrl_pg.build.definitions
alter index {index}
    rename to {name}

-- name: call_create_index
-- Makes the server create a short column and its index, and register them.
-- Slots: table, column, short, index (literals), dims, kind, distance, m, ef_construction, …
-- Called by: mrl_pg.alembic.carry_out, mrl_pg.sqlalchemy.create
select mrl.create_index(
    {table}::pg_catalog.regclass,
    {column},
    dims => {dims},
    kind => {kind},
    distance => {distance},
    m => {m},
    ef_construction => {ef_construction},
    short_column => {short},
    index_name => {index},
    keep => {keep},
    rebuild => {rebuild}
)

-- name: only_short
-- Whether all vector indexes of a table are on short columns; part of a statement.
-- Slots: table, a literal
-- Called by: mrl_pg.build.definitions
mrl._only_short({table}::pg_catalog.regclass)

-- name: create_steps
-- The statements that are still needed for a short column and its index, one per row.
-- Slots: table, column, short, index, dims, kind, distance, m, ef_construction, concurrent, …
-- Called by: mrl_pg.build.create, mrl_pg.alembic.carry_out
select todo.step, todo.statement, todo.kept_as, todo.why, todo.how
from mrl._create_steps(
    {table}::pg_catalog.regclass,
    {column},
    dims => {dims},
    kind => {kind},
    distance => {distance},
    m => {m},
    ef_construction => {ef_construction},
    short_column => {short},
    index_name => {index},
    concurrent => {concurrent},
    keep => {keep},
    rebuild => {rebuild}
) as todo

-- name: preflight
-- What a build will do and need, one row for each thing to know.
-- Slots: table, column, short, index, dims, kind, distance, m, ef_construction, concurrent, …
-- Called by: mrl_pg.build.preflight
select told.topic, told.says, told.facts
from mrl.preflight(
    {table}::pg_catalog.regclass,
    {column},
    dims => {dims},
    kind => {kind},
    distance => {distance},
    m => {m},
    ef_construction => {ef_construction},
    short_column => {short},
    index_name => {index},
    concurrent => {concurrent},
    keep => {keep},
    rebuild => {rebuild}
) as told

-- name: wants_workers
-- Whether parallel workers are worth their start although the table without TOAST is small.
-- Parameters: table_id
-- Called by: mrl_pg.build.create
select mrl._wants_workers(%(table_id)s::pg_catalog.oid) as wanted

-- name: repair_steps
-- The statements that mend what is wrong with the short columns of a table, one per row.
-- Slots: table_id (a literal), check_rows
-- Called by: mrl_pg.build.repair
select todo.step, todo.statement, todo.how
from mrl._repair_steps({table_id}, {check_rows}) as todo

-- name: keep_steps
-- The statements that have an index keep its short values in another way, one per row.
-- Slots: table, column, keep, dims, kind, index, rebuild
-- Called by: mrl_pg.build.keep_as
select todo.step, todo.statement, todo.kept_as, todo.why, todo.how
from mrl._keep_steps(
    {table}::pg_catalog.regclass,
    {column},
    {keep},
    dims => {dims},
    kind => {kind},
    index_name => {index},
    rebuild => {rebuild}
) as todo

-- name: begin_fill
-- The state of a fill before its first batch.
-- Parameters: table_id, full, short
-- Called by: mrl_pg.build.fill
select mrl._begin_fill(
    %(table_id)s::pg_catalog.oid::pg_catalog.regclass,
    %(full)s::pg_catalog.name,
    %(short)s::pg_catalog.name,
    wrong => false
) as state

-- name: fill_next
-- Fills some rows, and answers the state for the next call.
-- Parameters: state
-- Called by: mrl_pg.build.fill
select mrl._fill_next(%(state)s::pg_catalog.jsonb) as state

-- name: call_add_kept_column
-- Adds a short column and its trigger.
-- Slots: table, column, short (literals), dims, kind
-- Called by: mrl_pg.build.definitions
select mrl._add_kept_column(
    {table}::pg_catalog.regclass, {column}, {short}, {dims}, {kind}
)

-- name: call_fill
-- Fills a short column in batches, outside a transaction.
-- Slots: table, column, short (literals)
-- Called by: mrl_pg.build.definitions
call mrl.fill_short_column({table}::pg_catalog.regclass, {column}, {short})

-- name: call_check_values
-- Raises if a short value is wrong.
-- Slots: table, column, short (literals)
-- Called by: mrl_pg.build.definitions
select mrl._check_values({table}::pg_catalog.regclass, {column}, {short})

-- name: call_check_graph
-- Raises if the graph of a new index is broken.
-- Slots: table, column, short, index, kind, distance, made_as (literals), dims
-- Called by: mrl_pg.build.definitions
select mrl._check_graph(
    {table}::pg_catalog.regclass,
    {column},
    {short},
    {index},
    {dims},
    {kind},
    {distance},
    {made_as}
)

-- name: names_of
-- The registered indexes of a full column like one: names in the registry, and names of now.
-- Parameters: table_id, column, dims, kind, distance
-- Called by: mrl_pg.build.drop
select
    registered.index_name::pg_catalog.text as known_name,
    registry.default_name,
    coalesce(registered.index_now, registered.index_name)::pg_catalog.text as name,
    registered.short_now::pg_catalog.text as short
from mrl._registered(%(table_id)s::pg_catalog.oid) as registered
join mrl.registry as registry
    on registry.table_id operator(pg_catalog.=) registered.table_id
    and registry.index_name operator(pg_catalog.=) registered.index_name
where coalesce(registered.full_now, registered.full_column)
        operator(pg_catalog.=) %(column)s::pg_catalog.name
    and registered.dims operator(pg_catalog.=) %(dims)s
    and registered.kind operator(pg_catalog.=) %(kind)s
    and registered.distance operator(pg_catalog.=) %(distance)s

-- name: call_drop_index
-- Makes the server drop a short column and its index; no row if none is registered.
-- Slots: table, column, index (literals)
-- Called by: mrl_pg.alembic.carry_out
select mrl.drop_index(registry.table_id, registry.full_column, index_name => {index})
from mrl.registry as registry
where registry.table_id operator(pg_catalog.=) {table}::pg_catalog.regclass
    and registry.full_column operator(pg_catalog.=) {column}
    and registry.index_name operator(pg_catalog.=) {index}

-- name: call_switch
-- Makes an index the one in use.
-- Slots: table, column, index (literals)
-- Called by: mrl_pg.resize.switch, mrl_pg.alembic.carry_out
select mrl.switch_index(
    {table}::pg_catalog.regclass, {column}, index_name => {index}
)::pg_catalog.text as name

-- name: call_register
-- Writes a short column into the registry.
-- Slots: table, column, short, index (literals), dims, kind, distance, kept_as
-- Called by: mrl_pg.alembic.carry_out
select mrl.register(
    {table}::pg_catalog.regclass,
    {column},
    {short},
    {index},
    {dims},
    {kind},
    {distance},
    kept_as => {kept_as}
)

-- name: call_unregister
-- Takes a short column out of the registry.
-- Slots: table, index (literals)
-- Called by: mrl_pg.alembic.carry_out, mrl_pg.build.drop
select mrl.unregister({table}::pg_catalog.regclass, {index})

-- name: translated_table
-- The name of a table whose schema SQLAlchemy fills in later, quoted as a name, not as a literal.
-- Slots: table
-- Called by: mrl_pg.sqlalchemy.passes
pg_catalog.pg_typeof(null::{table})::pg_catalog.text

-- name: switch_column
-- Makes another full column the one in use; answers the name of the index that answers now.
-- Parameters: table (a name), from_column, to_column, allow_missing
-- Called by: mrl_pg.build.switch_column
select
    mrl.switch_column(
        %(table)s::pg_catalog.regclass,
        %(from_column)s::pg_catalog.name,
        %(to_column)s::pg_catalog.name,
        %(allow_missing)s::pg_catalog.bool
    )::pg_catalog.text as answers

-- name: writers_of
-- Transactions of others that hold the lock of writing on a table, or on a partition of it.
-- Parameters: table_id
-- Called by: mrl_pg.build.switch_column
select distinct held.virtualtransaction as transaction, held.pid
from pg_catalog.pg_locks as held
join pg_catalog.pg_database as base on base.oid operator(pg_catalog.=) held.database
where base.datname operator(pg_catalog.=) pg_catalog.current_database()
    and held.relation operator(pg_catalog.=) any (
        select tree.relid
        from mrl._tree(%(table_id)s::pg_catalog.oid) as tree
    )
    and held.mode operator(pg_catalog.=) any (
        array['RowExclusiveLock', 'ShareRowExclusiveLock', 'ExclusiveLock']
    )
    and held.granted
    -- a prepared transaction has no process
    and (held.pid is null or held.pid operator(pg_catalog.<>) pg_catalog.pg_backend_pid())

-- name: count_vectors
-- How many rows with a vector in one column have one in the other, and how many have none.
-- Slots: table, table_name (a literal), from_column, to_column
-- Called by: mrl_pg.build.switch_column
select
    pg_catalog.count({to_column}) as filled,
    pg_catalog.count(*) operator(pg_catalog.-) pg_catalog.count({to_column}) as missing,
    pg_catalog.row_security_active({table_name}::pg_catalog.regclass) as hidden
from {table}
where {from_column} is not null
