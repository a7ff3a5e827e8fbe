-- What a build will need, predicted before it starts.

-- What one row takes in an HNSW index: pages of the index, and bytes of memory for its graph.
-- Called by: mrl._build_size; mrl_pg.tune.predict.index_size does so in Python
create or replace function mrl._graph_size(
    kind text, dims int, m int, out pages float8, out memory float8
)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $body$
declare
    -- the layout of pgvector 0.8 (src/hnsw.h, src/hnswbuild.c)
    value_bytes int := 8 + (dims * mrl._kind(kind, 'bits')::int + 7) / 8;
    usable int := 8192 - 24 - 8;
    element int := (72 + value_bytes + 7) / 8 * 8 + 4;
    elements int := 4000;
    level int;
    links int;
    room int := usable;
    used int := 1;
begin
    for number in 1 .. elements loop
        -- evenly spread, so that the answer is always the same
        level := floor(-ln(1 - (number * 0.6180339887498949) % 1) / ln(m));
        links := (4 + (level + 2) * m * 6 + 7) / 8 * 8 + 4;
        if room < element or element + links <= usable and room < element + links then
            used := used + 1;
            room := usable;
        end if;
        room := room - element;
        if room < links then
            used := used + 1;
            room := usable;
        end if;
        room := room - links;
    end loop;
    pages := used::float8 / elements;
    memory := 128 + (value_bytes + 7) / 8 * 8
        -- the links of the lowest level, and the list of levels
        + 8 + 32 * m + 8
        -- headers of these four pieces
        + 4 * case when current_setting('server_version_num')::int < 160000 then 24 else 8 end
        -- the links of higher levels, of which a row has 1 / (m - 1) on average
        + (16 + 16 * m + 8) / (m - 1)::float8;
end
$body$;

-- About how many rows of one table have a vector: counted on 256 pages, or all if there are fewer.
-- Called by: mrl._build_size
create or replace function mrl._count_vectors(part oid, full_column name)
returns bigint
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $body$
declare
    pages bigint := pg_relation_size(part::regclass) / current_setting('block_size')::int;
    runs int := 16;
    run_pages bigint := 16;
    first_page bigint;
    counted bigint;
    total bigint := 0;
begin
    if row_security_active(part) or not has_column_privilege(part, full_column, 'select') then
        -- as the last analyze counted them
        return coalesce(mrl._rows(part), 0);
    elsif pages <= runs * run_pages then
        runs := 1;
        run_pages := pages;
    end if;
    for run in 0 .. runs - 1 loop
        -- evenly spread, because old pages may have more dead rows than new pages
        first_page := (pages - run_pages) * run / greatest(runs - 1, 1);
        execute format(
            'select count(%I) from only %s where ctid >= %L and ctid < %L',
            full_column,
            part::regclass,
            format('(%s,0)', first_page),
            format('(%s,0)', first_page + run_pages)
        )
        into counted;
        total := total + counted;
    end loop;
    return round(total::numeric * pages / greatest(runs * run_pages, 1));
end
$body$;

-- Microseconds of one distance on this server, from fifty rows; NULL without rows.
-- Called by: mrl._build_size
create or replace function mrl._distance_us(part oid, value text, operator text, full_column name)
returns float8
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $body$
declare
    began timestamptz;
    compared bigint;
    seconds float8;
begin
    if row_security_active(part) or not has_column_privilege(part, full_column, 'select') then
        return null;
    end if;
    -- the fastest, which no other program interrupted
    for run in 1 .. 5 loop
        began := clock_timestamp();
        execute format(
            'with sample as materialized (select %s as short from only %s where %I is not null '
            'limit 50) select count(one.short %s other.short) from sample as one, sample as other',
            value, part::regclass, full_column, operator
        )
        into compared;
        seconds := least(seconds, extract(epoch from clock_timestamp() - began));
    end loop;
    return 1000000 * seconds / nullif(compared, 0);
end
$body$;

-- Parallel workers that a build can get, and the setting that limits their number, in words.
-- Called by: mrl.preflight
create or replace function mrl._build_workers(
    part oid, memory_kb bigint, out workers int, out limited_by text, out more_by_setting boolean
)
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $body$
declare
    most int := current_setting('max_parallel_maintenance_workers');
    -- of those that this role may see
    running int := (
        select count(*)
        from pg_stat_activity as activity
        where activity.backend_type = 'parallel worker'
    );
    others int := (
        select count(*)
        from pg_stat_activity as activity
        where activity.backend_type like 'logical replication%'
            or activity.backend_type = 'parallel worker'
    );
    option int := (
        select substring(entry from '^parallel_workers=(.*)$')::int
        from pg_class as class
        cross join unnest(class.reloptions) as entry
        where class.oid = part
            and entry like 'parallel\_workers=%'
    );
    threshold bigint := (
        select setting.setting::bigint * current_setting('block_size')::int
        from pg_settings as setting
        where setting.name = 'min_parallel_table_scan_size'
    );
begin
    more_by_setting := option is null
        and pg_relation_size(part::regclass) < threshold
        and mrl._wants_workers(part);
    workers := least(most, option);
    limited_by := case
        when option <= most
        then 'option parallel_workers of the table'
        else 'max_parallel_maintenance_workers'
    end;
    if option is null and workers > 0 then
        if memory_kb < 65536 then
            workers := 0;
            limited_by := 'maintenance_work_mem below 64 MB';
        elsif pg_relation_size(part::regclass) < threshold and not more_by_setting then
            workers := 0;
            limited_by := 'the table is small';
        end if;
    end if;
    if (select class.relpersistence = 't' from pg_class as class where class.oid = part) then
        workers := 0;
        limited_by := 'the table is temporary';
    end if;
    if workers > current_setting('max_parallel_workers')::int - running then
        workers := greatest(current_setting('max_parallel_workers')::int - running, 0);
        limited_by := 'max_parallel_workers';
    end if;
    if workers > current_setting('max_worker_processes')::int - others then
        workers := greatest(current_setting('max_worker_processes')::int - others, 0);
        limited_by := 'max_worker_processes';
    end if;
end
$body$;

-- Whether a build is worth workers though PostgreSQL, which leaves out TOAST, says it is small.
-- Called by: mrl._build_workers, client/build.sql
create or replace function mrl._wants_workers(table_id oid)
returns boolean
language sql
stable
parallel safe
begin atomic
    -- 64 MB
    select pg_catalog.sum(pg_catalog.pg_table_size(tree.relid::pg_catalog.regclass))
        operator(pg_catalog.>=) 67108864::pg_catalog.numeric
    from mrl._tree(_wants_workers.table_id) as tree;
end;

-- Transactions for which a concurrent build of a table has to wait, the oldest first.
-- Called by: mrl.preflight
create or replace function mrl._waits_for(table_id oid)
returns table (pid int, role text, since timestamptz, why text)
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $body$
begin
    return query
    select
        activity.pid,
        activity.usename::text,
        activity.xact_start,
        case
            when writes.pid is not null then 'it has written to the table'
            else 'it has a snapshot'
        end
    from pg_stat_activity as activity
    left join lateral (
        select held.pid
        from pg_locks as held
        where held.pid = activity.pid
            and held.granted
            and held.database = activity.datid
            and held.relation in (select tree.relid from mrl._tree(_waits_for.table_id) as tree)
            and held.mode not in ('AccessShareLock', 'RowShareLock', 'ShareLock')
        limit 1
    ) as writes on true
    where activity.datname = current_database()
        and activity.pid <> pg_backend_pid()
        and (activity.backend_xmin is not null or writes.pid is not null)
        -- PostgreSQL hides the kind of other roles' sessions from ordinary roles
        and coalesce(activity.backend_type, '') <> 'autovacuum worker'
    union all
    select null, prepared.owner::text, prepared.prepared, format(
        'prepared transaction %L has written to the table', prepared.gid
    )
    from pg_prepared_xacts as prepared
    where prepared.database = current_database()
        and exists (
            select
            from pg_locks as held
            where held.virtualtransaction = '-1/' || prepared.transaction
                and held.relation in (select tree.relid from mrl._tree(_waits_for.table_id) as tree)
                and held.mode not in ('AccessShareLock', 'RowShareLock', 'ShareLock')
        )
    order by 3 nulls last, 1;
end
$body$;

-- Sizes and time of one build, summed over the partitions; graph_bytes is of the largest.
-- Called by: mrl.preflight
create or replace function mrl._build_size(
    table_id oid,
    full_column name,
    kind text,
    dims int,
    m int,
    ef_construction int,
    -- what the index is on, and its operator, as SQL text
    value text,
    operator text,
    out rows bigint,
    out index_bytes bigint,
    out graph_bytes bigint,
    -- of one process; NULL if no distance could be measured
    out seconds float8,
    out largest oid
)
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $body$
declare
    a_row record := mrl._graph_size(kind, dims, m);
    part record;
    most bigint := -1;
begin
    rows := 0;
    index_bytes := 0;
    for part in
        select
            class.oid,
            mrl._count_vectors(class.oid, full_column) as vectors
        from pg_class as class
        where class.relkind = 'r'
            and (
                class.oid = table_id
                or class.oid in (select tree.relid from pg_partition_tree(table_id) as tree)
            )
    loop
        rows := rows + part.vectors;
        index_bytes := index_bytes + 8192 + 8192 * ceil(part.vectors * a_row.pages)::bigint;
        if part.vectors > most then
            most := part.vectors;
            largest := part.oid;
        end if;
    end loop;
    graph_bytes := ceil(greatest(most, 0) * a_row.memory);
    -- benchmarks/preflight.py shows how well this fits
    seconds := rows / 1000000.0 * mrl._distance_us(largest, value, operator, full_column)
        * 5.5 * ef_construction * sqrt(m / 16.0) * log(greatest(rows, 10));
end
$body$;

-- The lock that a step of a build takes on the table, and for how long, in words.
-- Called by: mrl.preflight
create or replace function mrl._step_lock(
    step text, how text, kept_as text, concurrent boolean, out lock text, out held text
)
language plpgsql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $body$
begin
    lock := case
        when how = 'concurrently' then 'SHARE UPDATE EXCLUSIVE'
        when how in ('check', 'verify', 'register') then 'ACCESS SHARE'
        when how = 'fill' then 'ROW EXCLUSIVE'
        when step like 'built index %' then 'SHARE'
        else 'ACCESS EXCLUSIVE'
    end;
    held := case
        when not concurrent then 'until the transaction ends'
        when how = 'concurrently' then 'while the index is built'
        when how = 'check' then 'while every row is read'
        when how = 'verify' then 'while a sample is searched'
        when how = 'fill' then 'about 50 ms for each batch of rows'
        when step like 'added column %' and kept_as = 'generated'
        then 'while the table is rewritten and its indexes are rebuilt'
        else 'a moment'
    end;
end
$body$;

-- A time in words.
-- Called by: mrl.preflight
create or replace function mrl._in_words(seconds float8)
returns text
language sql
immutable
parallel safe
return case
    when seconds is null then 'an unknown time'
    when seconds operator(pg_catalog.<) 1::pg_catalog.float8 then 'less than a second'
    when seconds operator(pg_catalog.<) 120::pg_catalog.float8
    then pg_catalog.concat(pg_catalog.round(seconds), ' s')
    when seconds operator(pg_catalog.<) 7200::pg_catalog.float8
    then pg_catalog.concat(
        pg_catalog.round(seconds operator(pg_catalog./) 60::pg_catalog.float8), ' min'
    )
    else pg_catalog.concat(
        pg_catalog.round(seconds operator(pg_catalog./) 3600::pg_catalog.float8), ' h'
    )
end;

-- The other indexes of a table; for HNSW also the seconds in which one process builds it.
-- Called by: mrl.preflight
create or replace function mrl._other_indexes(table_id oid, full_column name, index_name name)
returns table (name text, method text, bytes bigint, seconds float8)
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $body$
declare
    found_index record;
begin
    for found_index in
        select
            class.oid::regclass::text as name,
            method.amname::text as method,
            mrl.index_bytes(class.oid::regclass) as bytes,
            type.typname as kind,
            attribute.atttypmod as dims,
            -- computed, because a value in TOAST would be read for each distance
            format(
                case when type.typname <> 'bit' then '%2$s.l2_normalize(%1$s)' else '%1$s' end,
                pg_get_indexdef(class.oid, 1, true),
                type.typnamespace::regnamespace
            ) as value,
            format('operator(%s.%s)', operator.oprnamespace::regnamespace, operator.oprname)
                as operator,
            built.*
        from pg_index as state
        join pg_class as class on class.oid = state.indexrelid
        join pg_am as method on method.oid = class.relam
        join pg_attribute as attribute
            on attribute.attrelid = class.oid
            and attribute.attnum = 1
        join pg_type as type on type.oid = attribute.atttypid
        join pg_opclass as class_of_operators on class_of_operators.oid = state.indclass[0]
        left join pg_amop as member
            on member.amopfamily = class_of_operators.opcfamily
            and member.amopstrategy = 1
            and member.amoplefttype = member.amoprighttype
            and member.amoplefttype = class_of_operators.opcintype
        left join pg_operator as operator on operator.oid = member.amopopr
        cross join lateral mrl._built(table_id, class.relname) as built
        where state.indrelid = table_id
            and class.relname <> _other_indexes.index_name
        order by mrl.index_bytes(class.oid::regclass) desc, class.relname
    loop
        name := found_index.name;
        method := found_index.method;
        bytes := found_index.bytes;
        seconds := null;
        if method = 'hnsw' and found_index.kind in ('vector', 'halfvec', 'bit')
            and found_index.dims > 0
        then
            seconds := (
                mrl._build_size(
                    table_id,
                    full_column,
                    found_index.kind,
                    found_index.dims,
                    found_index.m,
                    found_index.ef_construction,
                    found_index.value,
                    found_index.operator
                )
            ).seconds;
        end if;
        return next;
    end loop;
end
$body$;
