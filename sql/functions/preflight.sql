-- What a build of a short column and its index will do and need; it changes nothing.
-- mrl.preflight('docs', 'embedding', dims => 256, …) -> one row for each thing to know
-- Called by: people, client/build.sql
create or replace function mrl.preflight(
    table_name regclass,
    full_column name,
    dims int,
    kind text default 'halfvec',
    distance text default 'cosine',
    m int default 16,
    ef_construction int default 64,
    short_column name default null,
    index_name name default null,
    concurrent boolean default true,
    keep text default null,
    rebuild boolean default false
)
returns table (topic text, says text, facts jsonb)
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $body$
declare
    slots jsonb := mrl._table(table_name, full_column);
    steps jsonb := '[]';
    todo record;
    plan record;
    build record;
    worker record;
    found_lock record;
    other record;
    old record;
    builds int;
    adds boolean;
    fills boolean;
    rewrites boolean;
    named name;
    heap_bytes bigint;
    others jsonb := '[]';
    column_bytes bigint := 0;
    rewritten_bytes bigint := 0;
    graph_seconds float8 := 0;
    memory_kb bigint := (
        select setting.setting::bigint
        from pg_settings as setting
        where setting.name = 'maintenance_work_mem'
    );
    wanted_mb bigint;
    seconds float8;
    total float8 := 0;
begin
    perform mrl._refuse_spread(
        table_name, 'run a preflight on a local table of as many rows as a shard has'
    );
    for todo in
        select listed.*
        from mrl._create_steps(
            table_name, full_column, dims, kind, distance, m, ef_construction,
            -- what it is refused for is said below
            short_column, index_name, concurrent, keep, true
        ) as listed
    loop
        plan := todo;
        steps := steps || to_jsonb(todo);
    end loop;
    named := coalesce(
        nullif(index_name, ''),
        (mrl._names(slots ->> 'table_name', full_column, dims, kind, distance)).index_name
    );
    select
        count(*) filter (
            where step.value ->> 'step' like 'built index %'
                -- not those of partitioned tables, which are empty
                and step.value ->> 'statement' !~ '^create index [^(]* on only '
        ),
        coalesce(bool_or(step.value ->> 'step' like 'added column %'), false),
        coalesce(bool_or(step.value ->> 'how' = 'fill'), false)
    into builds, adds, fills
    from jsonb_array_elements(steps) as step;
    rewrites := adds and plan.kept_as = 'generated';
    slots := slots || jsonb_build_object('dims', dims, 'kind', kind);
    build := mrl._build_size(
        table_name,
        full_column,
        kind,
        dims,
        m,
        ef_construction,
        mrl._short_of(slots ->> 'full', slots),
        format(
            'operator(%s%s)',
            slots ->> 'extension',
            mrl._short_operator(kind, mrl._operator(distance))
        )
    );
    worker := mrl._build_workers(build.largest, memory_kb);
    select
        coalesce(sum(pg_relation_size(tree.relid::regclass)), 0),
        case when rewrites
            then coalesce(sum(pg_table_size(tree.relid::regclass)), 0)
            else 0
        end
    into heap_bytes, rewritten_bytes
    from mrl._tree(table_name) as tree;
    if adds or fills then
        column_bytes := build.rows * ((8 + (dims * mrl._kind(kind, 'bits')::int + 7) / 8 + 7) / 8 * 8)
            -- each row is written again, and its old version stays until vacuum
            + case when fills then heap_bytes else 0 end;
    end if;
    wanted_mb := ceil(1.02 * build.graph_bytes / 1024.0 / 1024.0)::bigint + 4;
    build.seconds := build.seconds / (1 + worker.workers) ^ 0.85;
    if memory_kb / 1024 < wanted_mb then
        -- a guess: the rest of the graph is built on disk, several times slower
        build.seconds := build.seconds * (5 - 4.0 * memory_kb / 1024 / wanted_mb);
    end if;
    for other in
        select * from mrl._other_indexes(table_name, full_column, named)
    loop
        graph_seconds := graph_seconds + coalesce(other.seconds, 0);
        if rewrites then
            rewritten_bytes := rewritten_bytes + other.bytes;
        end if;
        others := others || jsonb_build_object(
            'name', other.name,
            'method', other.method,
            'bytes', other.bytes,
            'effect', case
                when rewrites then 'is built again'
                when fills then 'gets an entry for each row'
                else 'stays as it is'
            end
        );
    end loop;

    topic := 'plan';
    facts := jsonb_build_object(
        'kept_as', plan.kept_as,
        'why', plan.why,
        'concurrent', concurrent,
        'changes', builds > 0 or adds or fills,
        'refused', rewrites and not coalesce(rebuild, false)
            and heap_bytes > 0 and mrl._vector_indexes(table_name) is not null
    );
    says := case
        when not (facts ->> 'changes')::boolean then 'nothing is left to do'
        else format('short values are kept as %s: %s', plan.kept_as, plan.why)
    end;
    if (facts ->> 'refused')::boolean then
        says := says || '; it is refused without rebuild => true (--yes)';
    end if;
    return next;
    if not (facts ->> 'changes')::boolean then
        return;
    end if;

    topic := 'step';
    for todo in
        select
            step.value ->> 'step' as name,
            step.value ->> 'statement' as statement,
            step.value ->> 'how' as how
        from jsonb_array_elements(steps) with ordinality as step (value, place)
        order by step.place
    loop
        found_lock := mrl._step_lock(todo.name, todo.how, plan.kept_as, concurrent);
        seconds := case
            when todo.statement ~ '^create index [^(]* on only ' then 0
            when todo.name like 'built index %' then build.seconds / greatest(builds, 1)
            when todo.name like 'added column %' and rewrites
            -- 50 MB a second, and the vector indexes
            then rewritten_bytes / 50e6 + graph_seconds / (1 + worker.workers) ^ 0.85
            -- an entry in a finished graph takes several times as long as in a build
            when todo.how = 'fill' then build.rows * 0.0002 + 10 * graph_seconds
            when todo.how = 'check' then build.rows * 0.00002
            when todo.how = 'verify' then 0.5
            else 0
        end;
        total := total + seconds;
        facts := jsonb_build_object(
            'step', todo.name,
            'statement', todo.statement,
            'lock', found_lock.lock,
            'held', found_lock.held,
            'seconds', seconds
        );
        says := format(
            '%s lock on the table %s, %s: %s',
            found_lock.lock,
            found_lock.held,
            mrl._in_words(seconds),
            todo.statement
        );
        return next;
    end loop;

    topic := 'rows';
    facts := jsonb_build_object('rows', build.rows);
    says := format(
        'about %s rows have a vector', to_char(build.rows, 'FM999,999,999,999,990')
    );
    return next;

    topic := 'disk';
    if builds = 0 then
        build.index_bytes := 0;
        build.graph_bytes := 0;
        wanted_mb := 0;
    end if;
    facts := jsonb_build_object(
        'index_bytes', build.index_bytes,
        'column_bytes', column_bytes,
        'rewritten_bytes', rewritten_bytes,
        'disk_bytes', build.index_bytes + column_bytes + rewritten_bytes
    );
    says := format('the index will take about %s', pg_size_pretty(build.index_bytes));
    if column_bytes > 0 then
        says := says || format(
            case when fills
                then ', the column and the new versions of the rows at most %s'
                else ', the column about %s'
            end,
            pg_size_pretty(column_bytes)
        );
    end if;
    if rewritten_bytes > 0 then
        says := says || format(
            ', and a second copy of the table and its indexes %s until the transaction ends',
            pg_size_pretty(rewritten_bytes)
        );
    end if;
    says := says || '; about as much is written to the log';
    return next;

    topic := 'memory';
    facts := jsonb_build_object(
        'graph_bytes', build.graph_bytes,
        'maintenance_work_mem', memory_kb * 1024,
        'needed', wanted_mb || 'MB',
        'fits', memory_kb / 1024 >= wanted_mb
    );
    says := format(
        'the graph will take about %s of memory while it is built: maintenance_work_mem is %s%s',
        pg_size_pretty(build.graph_bytes),
        pg_size_pretty(memory_kb * 1024),
        case
            when memory_kb / 1024 >= wanted_mb then ', which is enough'
            else format(
                ', so the build will be several times slower; set it to %sMB for this build',
                wanted_mb
            )
        end
    );
    return next;

    topic := 'workers';
    facts := jsonb_build_object(
        'workers', worker.workers,
        'limited_by', worker.limited_by,
        'more_by_setting', worker.more_by_setting
    );
    says := format(
        'the build will get %s parallel %s at most (%s)',
        worker.workers,
        case worker.workers when 1 then 'worker' else 'workers' end,
        worker.limited_by
    );
    return next;

    topic := 'time';
    facts := jsonb_build_object('seconds', total, 'low', total / 3, 'high', total * 2);
    says := format(
        'it will take about %s on an idle server, by a rough estimate: a third of it or twice as '
        'long is possible',
        mrl._in_words(total)
    );
    return next;

    topic := 'index';
    for facts in
        select found_index.value
        from jsonb_array_elements(others) with ordinality as found_index (value, place)
        order by found_index.place
    loop
        says := format(
            'index %s (%s, %s) %s',
            facts ->> 'name',
            facts ->> 'method',
            pg_size_pretty((facts ->> 'bytes')::bigint),
            facts ->> 'effect'
        );
        return next;
    end loop;

    topic := 'waits_for';
    for old in
        select blocker.*
        from mrl._waits_for(table_name) as blocker
        where concurrent
    loop
        facts := to_jsonb(old);
        says := format(
            'a concurrent build waits until process %s of role %s ends its transaction, which '
            'began at %s: %s',
            coalesce(old.pid::text, '(none)'),
            coalesce(old.role, '(hidden)'),
            coalesce(old.since::timestamptz(0)::text, '(hidden)'),
            old.why
        );
        return next;
    end loop;
end
$body$;

comment on function mrl.preflight(
    regclass, name, int, text, text, int, int, name, name, boolean, text, boolean
) is
'What mrl.create_index_sql with the same arguments will do and need, and changes nothing: each '
'statement with its lock, rows, bytes on disk, memory for the graph, parallel workers, time, '
'other indexes of the table, and transactions that a concurrent build has to wait for. Sizes '
'are close if rows differ; the time is a rough estimate. says has it in words, facts as JSON.';
