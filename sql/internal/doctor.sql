-- What makes searches slow, wrong or expensive; each function looks at one sort of thing.

-- Versions and settings of the server that searches and builds suffer from.
-- Called by: mrl.doctor
create or replace function mrl._ails_server()
returns table (finding text, detail text, why text, remedy text)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $body$
declare
    pgvector text := (
        select extension.extversion from pg_extension as extension
        where extension.extname = 'vector'
    );
begin
    if string_to_array(substring(pgvector from '^\d+\.\d+(?:\.\d+)?'), '.')::int[]
        < array[0, 8, 4]
    then
        finding := 'old_pgvector';
        detail := format('this database has pgvector %s', pgvector);
        why := 'versions before 0.8.4 have faults: overflow in parallel index builds, and '
            'index corruption under vacuum';
        remedy := 'install pgvector 0.8.4 or later, then: alter extension vector update';
        return next;
    end if;
    if least(
        current_setting('max_parallel_maintenance_workers')::int,
        current_setting('max_parallel_workers')::int,
        current_setting('max_worker_processes')::int
    ) = 0 then
        finding := 'serial_build';
        detail := 'max_parallel_maintenance_workers, max_parallel_workers or '
            'max_worker_processes is 0';
        why := 'an index is built by one process, on one core';
        remedy := 'alter system set max_parallel_maintenance_workers = 2, and the like; '
            'max_worker_processes takes a restart';
        return next;
    end if;
    -- what a role or the database sets comes below, with its own remedy
    if (
        select setting.setting = 'off' and setting.source !~ 'user|database'
        from pg_settings as setting
        where setting.name = 'enable_indexscan'
    ) then
        finding := 'no_index_scans';
        detail := 'enable_indexscan is off';
        why := 'each search reads the whole table, because HNSW has no other scan';
        remedy := 'reset enable_indexscan; or, if the configuration sets it: alter system '
            'reset enable_indexscan';
        return next;
    end if;
    if (
        select setting.setting = 'force_generic_plan' and setting.source !~ 'user|database'
        from pg_settings as setting
        where setting.name = 'plan_cache_mode'
    ) then
        finding := 'generic_plans';
        detail := 'plan_cache_mode is force_generic_plan';
        why := 'a filtered search is planned without its values, and may find too few rows';
        remedy := 'alter system reset plan_cache_mode, or set it to auto for this session';
        return next;
    end if;
    -- of any role or of all, in this database or in all
    for finding, detail, why, remedy in
        select
            bad.finding,
            format('%s is set for %s', entry.text, owner.said),
            bad.why,
            format('alter %s reset %s', owner.said, bad.name)
        from pg_db_role_setting as setting
        cross join unnest(setting.setconfig) as entry (text)
        join (
            values
                (
                    'hnsw.ef_search', '^0*([1-9]|[1-3]\d)$', 'narrow_search',
                    'a search that does not set it itself returns no more rows than that, and '
                    'finds fewer of the nearest than by the default of 40'
                ),
                (
                    'hnsw.max_scan_tuples', '^0*1?\d{1,4}$', 'short_scans',
                    'a filtered search gives up after so many rows, where the default is '
                    '20000, and may find too few rows'
                ),
                (
                    'enable_indexscan', '^(of|off|f|fa|fal|fals|false|n|no|0)$',
                    'no_index_scans',
                    'each search reads the whole table, because HNSW has no other scan'
                ),
                (
                    'plan_cache_mode', '^force_generic_plan$', 'generic_plans',
                    'a filtered search is planned without its values, and may find too few rows'
                )
        ) as bad (name, pattern, finding, why)
            on lower(split_part(entry.text, '=', 1)) = bad.name
            and substr(entry.text, strpos(entry.text, '=') + 1) ~* bad.pattern
        cross join lateral (
            select
                case
                    when setting.setrole = 0
                    then format('database %I', current_database())
                    else format('role %I', pg_get_userbyid(setting.setrole))
                end,
                case
                    when setting.setrole <> 0 and setting.setdatabase <> 0
                    then format(' in database %I', current_database())
                    else ''
                end
        ) as part (owner, place)
        cross join lateral (
            select part.owner || part.place
        ) as owner (said)
        where setting.setdatabase in (
                0, (select base.oid from pg_database as base
                    where base.datname = current_database())
            )
            -- of all roles in all databases nothing can be set
            and (setting.setrole <> 0 or setting.setdatabase <> 0)
        order by owner.said, bad.name
    loop
        return next;
    end loop;
end
$body$;

-- Rows of a table and its partitions: dead and live ones, and when they were vacuumed last.
-- Called by: mrl._ails_table, mrl._upkeep
create or replace function mrl._dead_rows(
    table_id oid,
    out dead bigint,
    out live bigint,
    out vacuumed timestamptz,
    -- whether a part was never analyzed
    out unknown boolean
)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $body$
begin
    select
        sum(activity.n_dead_tup),
        sum(activity.n_live_tup),
        max(greatest(activity.last_vacuum, activity.last_autovacuum)),
        bool_or(class.reltuples = -1)
    into dead, live, vacuumed, unknown
    from mrl._tree(_dead_rows.table_id) as tree
    join pg_class as class on class.oid = tree.relid and class.relkind = 'r'
    left join pg_stat_all_tables as activity on activity.relid = tree.relid;
end
$body$;

-- What is wrong with a table for all its indexes: dead rows, missing statistics, no vectors.
-- Called by: mrl.doctor
create or replace function mrl._ails_table(table_id oid, full_column name)
returns table (finding text, detail text, why text, remedy text)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $body$
declare
    counted record := mrl._dead_rows(table_id);
    none float8;
begin
    if counted.dead > 1000 and counted.dead > 0.2 * (counted.dead + counted.live) then
        finding := 'dead_rows';
        detail := format(
            '%s of %s rows are dead; last vacuum: %s', counted.dead,
            counted.dead + counted.live, coalesce(counted.vacuumed::text, 'never')
        );
        why := 'a walk through the graph passes dead rows, and they count among the '
            'candidates, so that searches take longer and find less';
        remedy := format('vacuum (analyze) %s', table_id::regclass);
        return next;
    end if;
    if counted.unknown then
        finding := 'never_analyzed';
        detail := format('%s was never analyzed', table_id::regclass);
        why := 'the planner does not know how many rows it has, and may not choose the index';
        remedy := format('analyze %s', table_id::regclass);
        return next;
    end if;
    select statistic.null_frac
    into none
    from pg_stats as statistic
    join pg_class as class on class.relname = statistic.tablename
    join pg_namespace as space
        on space.oid = class.relnamespace and space.nspname = statistic.schemaname
    where class.oid = _ails_table.table_id
        and statistic.attname = _ails_table.full_column
    order by statistic.inherited desc
    limit 1;
    if none > 0.05 then
        finding := 'rows_without_vector';
        detail := format(
            'about %s %% of the rows have no vector in %I', round(100 * none), full_column
        );
        why := 'no search finds them';
        remedy := 'embed them, or leave them if that is meant';
        return next;
    end if;
end
$body$;

-- What is wrong with an index: its size and memory, and what is known about its recall.
-- Called by: mrl.doctor
create or replace function mrl._ails_index(known record)
returns table (finding text, detail text, why text, remedy text)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $body$
declare
    buffers bigint := pg_size_bytes(current_setting('shared_buffers'));
    memory bigint := pg_size_bytes(current_setting('effective_cache_size'));
    build bigint := pg_size_bytes(current_setting('maintenance_work_mem'));
    graph bigint := known.estimated_rows
        * (mrl._graph_size(known.kind, known.dims, coalesce(known.m::int, 16))).memory;
    promised record;
begin
    if known.index_bytes > memory then
        finding := 'index_larger_than_memory';
        detail := format(
            'index %I has %s, and effective_cache_size is %s', known.index_name,
            pg_size_pretty(known.index_bytes), pg_size_pretty(memory)
        );
        why := 'each search waits for the disk, some hundred times';
        remedy := 'take fewer dims or kind bit (mrl-pg tune --memory), or a larger machine; '
            'if the machine has the memory, raise effective_cache_size';
        return next;
    elsif known.index_bytes > buffers then
        finding := 'index_larger_than_buffers';
        detail := format(
            'index %I has %s, and shared_buffers is %s', known.index_name,
            pg_size_pretty(known.index_bytes), pg_size_pretty(buffers)
        );
        why := 'its pages are in the memory of the system and copied for each search';
        remedy := format(
            'alter system set shared_buffers = ''%sMB'', and restart, if the machine has as '
            'much again', ceil(known.index_bytes * 1.2 / 1024 / 1024)
        );
        return next;
    end if;
    if graph > build then
        finding := 'small_maintenance_work_mem';
        detail := format(
            'the graph of %I takes about %s to build, and maintenance_work_mem is %s',
            known.index_name, pg_size_pretty(graph), pg_size_pretty(build)
        );
        why := 'the next build, or reindex, goes on row by row on disk from there, and takes '
            'several times as long';
        remedy := format(
            'set maintenance_work_mem = ''%sMB'' before a build',
            ceil(graph * 1.05 / 1024 / 1024)
        );
        return next;
    end if;
    if not known.in_use then
        return;
    end if;
    select *
    into promised
    from mrl._promised(
        known.table_name::oid, known.index_name,
        coalesce(
            (
                select measured.k
                from mrl.calibrations as measured
                where measured.table_id = known.table_name
                    and measured.index_name = known.index_name
                    and measured.filter = ''
                order by measured.measured_at desc
                limit 1
            ),
            10
        ),
        0.95, false, by_distance => true
    );
    finding := case promised.standing
        when 'uncalibrated' then 'uncalibrated'
        when 'stale' then 'stale_calibration'
        when 'rows' then 'calibrated_on_rows'
        when 'unreached' then 'unreached_recall'
    end;
    if finding is null then
        return;
    end if;
    detail := case promised.standing
        when 'uncalibrated' then format('index %I is not calibrated', known.index_name)
        when 'stale' then format(
            'the calibration of %I is older than the rows it measured', known.index_name
        )
        when 'rows' then format(
            'the calibration of %I took rows of the table for queries', known.index_name
        )
        else format('no calibrated search by %I reached recall .95', known.index_name)
    end;
    why := case promised.standing
        when 'rows' then 'rows are easier to find than what people ask, so the recall may be '
            'lower than measured'
        when 'unreached' then 'recall => 0.95 takes the best there is, and says so'
        else 'nothing says which recall searches have, and recall => 0.95 has no promise'
    end;
    remedy := case promised.standing
        when 'rows' then format(
            'select mrl.sample_queries(%L, %L, 0.01), keep queries beside searches, then '
            'calibrate again', known.table_name::text, known.full_column
        )
        when 'unreached' then 'take more dims, or build a better graph: mrl-pg tune'
        else format(
            'mrl-pg calibrate %s %s', known.table_name, quote_ident(known.full_column)
        )
    end;
    return next;
end
$body$;

-- What a sample of vectors says: vectors of zeros, lengths other than 1, signs that tell nothing.
-- Called by: mrl.doctor
create or replace function mrl._ails_vectors(known record, sample int)
returns table (finding text, detail text, why text, remedy text)
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $body$
declare
    slots jsonb := mrl._table(known.table_name::oid, known.full_column);
    -- of pages; ten times as many rows as are looked at, because pages differ
    share float8 := least(
        100, 1000.0 * sample / greatest(coalesce(known.estimated_rows, 0), 1)
    );
    counted record;
begin
    execute format(
        $query$
        with taken as materialized (
            select %1$s::%2$svector as "full"
            from %3$s tablesample system (%4$s)
            where %1$s is not null
            limit %5$s
        ),
        signs as (
            select place, count(*) filter (
                where get_bit(%2$sbinary_quantize(taken."full"), place) = 1
            ) as ones
            from taken
            cross join generate_series(0, %6$s - 1) as place
            where %7$L = 'bit'
            group by place
        )
        select
            count(*) as rows,
            count(*) filter (where %2$svector_norm(taken."full") = 0) as zeros,
            count(*) filter (
                where abs(%2$svector_norm(taken."full") - 1) > 0.01
            ) as off,
            (
                select count(*) filter (
                    where least(signs.ones, total.rows - signs.ones) <= 0.05 * total.rows
                )
                from signs
                cross join (select count(*) as rows from taken) as total
            ) as one_sided
        from taken
        $query$,
        slots ->> 'full', slots ->> 'extension', slots ->> 'table', share, sample,
        known.dims, known.kind
    )
    into counted;
    if counted.zeros > 0 then
        finding := 'zero_vectors';
        detail := format(
            '%s of %s sampled vectors of %I are all zeros', counted.zeros, counted.rows,
            known.full_column
        );
        why := 'a vector of zeros has no direction: under cosine no search finds it';
        remedy := 'embed these rows again, or set the column to NULL';
        return next;
    end if;
    if known.distance = 'ip' and counted.off > counted.zeros then
        finding := 'not_unit_length';
        detail := format(
            '%s of %s sampled vectors of %I are not of length 1', counted.off, counted.rows,
            known.full_column
        );
        why := 'under inner product long vectors win, and a prefix is scaled to length 1, '
            'so that the first pass and the second disagree';
        remedy := 'use distance cosine, or store vectors of length 1';
        return next;
    end if;
    if counted.rows >= 50 and counted.one_sided > 0.5 * known.dims then
        finding := 'one_sign_bits';
        detail := format(
            '%s of %s dimensions have the same sign in 95 %% of %s sampled vectors',
            counted.one_sided, known.dims, counted.rows
        );
        why := 'such a bit tells no rows apart, so the first pass is nearly blind';
        remedy := 'take kind halfvec: mrl-pg tune';
        return next;
    end if;
end
$body$;

-- Whether the planner takes the index for a search as this role makes it; it is not run.
-- Called by: mrl.doctor
create or replace function mrl._ails_plan(known record)
returns table (finding text, detail text, why text, remedy text)
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $body$
declare
    slots jsonb := mrl._table(known.table_name::oid, known.full_column);
    query text;
    plan jsonb;
begin
    execute format(
        'select %1$s::text from %2$s where %1$s is not null limit 1',
        slots ->> 'full', slots ->> 'table'
    )
    into query;
    if query is null then
        return;
    end if;
    execute 'explain (verbose, format json) ' || replace(
        mrl.search_sql(
            known.table_name, known.full_column, dims => known.dims, kind => known.kind,
            index_name => known.index_name
        ),
        '$1::', quote_literal(query) || '::'
    )
    into plan;
    if mrl._is_by_index(known.table_name::oid, plan) then
        return;
    end if;
    finding := 'index_not_used';
    detail := format('a search of %s does not use index %I', known.table_name, known.index_name);
    why := 'the planner takes another way for it, which reads every row';
    remedy := format(
        'analyze %s; if it stays so, look at the plan: explain, then the statement that select '
        'mrl.search_sql(%L, %L) prints', known.table_name, known.table_name::text,
        known.full_column
    );
    return next;
end
$body$;

-- The application's own searches, as pg_stat_statements has counted them.
-- Called by: mrl.doctor
create or replace function mrl._ails_statements(
    only_table regclass,
    -- the schema of pg_stat_statements
    home name
)
returns table (finding text, table_name regclass, detail text, why text, remedy text)
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $body$
declare
    counted record;
begin
    -- only what is counted; no text of a query is run or planned, because it is another role's
    for counted in execute format(
        $query$
        select
            known.table_name as of_table,
            known.pages,
            regexp_replace(left(stat.query, 200), '\s+', ' ', 'g') as query,
            stat.calls,
            stat.rows::float8 / stat.calls as rows,
            (stat.shared_blks_hit + stat.shared_blks_read)::float8 / stat.calls as blocks,
            stat.query ~* '\mwhere\M' as filtered
        from %I.pg_stat_statements as stat
        join (
            select distinct
                listed.table_name,
                class.relname,
                class.relpages as pages
            from mrl.indexes as listed
            join pg_catalog.pg_class as class on class.oid = listed.table_name
            where $1 is null or listed.table_name = $1
        ) as known
            on stat.query ~ ('\m' || regexp_replace(known.relname, '\W', '.', 'g') || '\M')
        where stat.dbid = (
                select base.oid from pg_catalog.pg_database as base
                where base.datname = pg_catalog.current_database()
            )
            and stat.calls > 0
            and stat.query ~ '<(=|#|-|~|\+|%%)>'
            and stat.query ~* '\morder\s+by\M'
            and stat.query ~* '\mlimit\M'
            -- ours set what they need
            and stat.query !~ 'mrl_|mrl\.'
        order by stat.calls * (stat.shared_blks_hit + stat.shared_blks_read) desc
        limit 50
        $query$,
        home
    )
    using only_table
    loop
        table_name := counted.of_table;
        detail := format(
            '%s calls of: %s', counted.calls, counted.query
        );
        -- a walk through a graph reads some thousand pages, of which few are the table's
        if counted.blocks > 5000 and counted.blocks > 0.5 * counted.pages then
            finding := 'application_scans_table';
            why := format(
                'each call reads %s pages of a table of %s, so it uses no index',
                round(counted.blocks), counted.pages
            );
            remedy := 'order by the very expression of the index, or search by mrl.search';
            return next;
        elsif counted.filtered and counted.rows < 5 then
            finding := 'application_starved';
            why := format(
                'it returns %s rows a call: the filter is applied to what the index gave, '
                'which is hnsw.ef_search rows at most', round(counted.rows::numeric, 1)
            );
            remedy := 'set hnsw.iterative_scan = strict_order for it, or search by mrl.search '
                'with a filter';
            return next;
        elsif counted.rows > 39.5 and counted.rows <= 40 then
            finding := 'application_cut_short';
            why := 'it returns 40 rows a call, which is the default of hnsw.ef_search, so its '
                'limit is probably higher';
            remedy := 'set hnsw.ef_search to its limit or more, or search by mrl.search';
            return next;
        end if;
    end loop;
end
$body$;
