-- What a table and its index need from time to time, and why.

-- What an index needs: its recall measured, a new graph, new calibrations.
-- Called by: mrl._upkeep
create or replace function mrl._upkeep_of(
    -- a row of mrl.indexes
    known record,
    -- as mrl.maintenance takes them
    recall float8,
    changed float8,
    sample int
)
returns table (
    step text,
    k int,
    filter text,
    -- how many queries are measured
    queries int,
    candidates int,
    ef_search int,
    rerank int,
    real_queries boolean,
    reason text,
    remedy text
)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $body$
#variable_conflict use_column
declare
    -- fewer stored queries are not taken instead of rows
    enough constant int := 100;
    table_id oid := known.table_name;
    counts record := mrl._counts(table_id);
    built record := mrl._built(table_id, known.index_name);
    graph_now text := mrl._graph_mark(table_id, known.index_name);
    kept boolean := (
        select count(*) >= enough
        from (
            select
            from mrl.kept_queries as kept
            where kept.table_name = table_id::regclass
                and kept.full_column = known.full_column
            limit enough
        ) as first
    );
    -- the search whose recall is watched
    point mrl.calibrations;
    last record;
    worse text;
    tried boolean;
    -- whether nobody can say what became of its recall
    unknown boolean;
    drop_of_recall float8;
    since float8;
    old record;
begin
    select calibrated.*
    into point
    from mrl.calibrations as calibrated
    where calibrated.table_id = known.table_name
        and calibrated.index_name = known.index_name
        and calibrated.filter = ''
        and calibrated.candidates is not null
        and calibrated.k = (
            select latest.k
            from mrl.calibrations as latest
            where latest.table_id = known.table_name
                and latest.index_name = known.index_name
                and latest.filter = ''
            order by latest.measured_at desc, latest.k
            limit 1
        )
    -- the fastest that keeps the recall, else the one that found most
    order by
        calibrated.recall >= _upkeep_of.recall desc,
        case when calibrated.recall >= _upkeep_of.recall then calibrated.median_ms end,
        calibrated.recall desc
    limit 1;
    if point.k is not null then
        k := point.k;
        filter := '';
        candidates := point.candidates;
        ef_search := point.ef_search;
        rerank := point.rerank;
        queries := sample;
        real_queries := point.basis = 'queries';
        select
            measured.recall,
            measured.low,
            measured.high,
            measured.loss_graph,
            measured.changes,
            measured.graph is not distinct from graph_now as is_now,
            measured.measured_at
        into last
        from mrl._own_measurements as measured
        join mrl._live_tables as live on live.entry = measured.entry
        where live.table_id = known.table_name
            and measured.index_name = known.index_name
            and measured.k = point.k
            and measured.filter = ''
            and measured.candidates = point.candidates
            and measured.ef_search = point.ef_search
            and measured.rerank is not distinct from point.rerank
            and measured.measured_at > point.measured_at
        order by measured.measured_at desc
        limit 1;
        -- what was worse before the graph was built again
        tried := exists (
            select
            from mrl._own_measurements as measured
            join mrl._live_tables as live on live.entry = measured.entry
            where live.table_id = known.table_name
                and measured.index_name = known.index_name
                and measured.k = point.k
                and measured.filter = ''
                and measured.measured_at > point.measured_at
                and measured.graph is distinct from graph_now
                and measured.high < point.low
        );
        since := case
            when last.measured_at is null
            then mrl._changed_since(point, counts.changes, changed)
            when counts.changes < last.changes then counts.changes
            else counts.changes - last.changes
        end / greatest(point.rows, 1)::float8;
        drop_of_recall := point.recall - last.recall;
        if last.high < point.low then
            worse := format(
                'recall is %s (%s to %s) where it was %s (from %s) when it was calibrated, of '
                'which the graph loses %s',
                round(last.recall::numeric, 4), round(last.low::numeric, 4),
                round(last.high::numeric, 4), round(point.recall::numeric, 4),
                round(point.low::numeric, 4), round(last.loss_graph::numeric, 4)
            );
        end if;
        unknown := real_queries and not kept and since >= changed and since > 0;
        if not real_queries or kept then
            if worse is not null and not last.is_now then
                step := 'measure';
                reason := format('the graph was built again: before, %s', worse);
                return next;
                return;
            elsif worse is null and since >= changed and since > 0 then
                step := 'measure';
                reason := format(
                    '%s rows changed since the last measurement, of %s',
                    round(since * point.rows), point.rows
                );
                return next;
                return;
            elsif worse is not null and last.loss_graph > drop_of_recall / 2 and not tried then
                step := 'reindex';
                reason := worse;
                return next;
                return;
            elsif worse is not null then
                worse := case
                    when tried then 'a new graph did not help: '
                    else 'a new graph would not help: '
                end || worse;
            end if;
        end if;
    end if;
    for old in
        select distinct on (calibrated.k, calibrated.filter) calibrated as of_filter
        from mrl.calibrations as calibrated
        where calibrated.table_id = known.table_name
            and calibrated.index_name = known.index_name
        order by calibrated.k, calibrated.filter, calibrated.candidates nulls last
    loop
        k := (old.of_filter).k;
        filter := (old.of_filter).filter;
        queries := (old.of_filter).queries;
        candidates := null;
        ef_search := null;
        rerank := null;
        real_queries := kept;
        remedy := null;
        reason := coalesce(
            mrl._change(
                old.of_filter, built.m, built.ef_construction, counts.rows, counts.unsure,
                counts.changes
            ),
            case when filter = '' and k = point.k then worse end,
            case
                when filter = '' and mrl._drifted(table_id, known.index_name, k)
                then 'answers are at other distances than those that were measured'
            end
        );
        continue when reason is null;
        step := 'calibrate';
        if (old.of_filter).basis = 'queries' and not kept
            -- written by mrl.calibrate with args, which only their caller can read
            or filter ~ '\$\d'
        then
            step := 'left';
            reason := format(
                'the calibration of %I for k %s%s is stale (%s), and its queries or values are '
                'not stored', known.index_name, k, ' where ' || nullif(filter, ''), reason
            );
            remedy := format(
                'mrl-pg calibrate %s %I, as before', known.table_name, known.full_column
            );
            unknown := unknown and not (filter = '' and k = point.k);
        end if;
        return next;
    end loop;
    if unknown then
        step := 'left';
        k := point.k;
        filter := '';
        reason := format(
            'index %I was calibrated with queries that are not stored, so nobody can say '
            'whether it finds less by now', known.index_name
        );
        remedy := format(
            'mrl-pg recall %s %I --queries FILE, with these queries', known.table_name,
            known.full_column
        );
        return next;
    end if;
    if k is null then
        step := 'left';
        reason := format(
            'index %I is not calibrated, so nobody can say whether it finds less by now',
            known.index_name
        );
        remedy := format('mrl-pg calibrate %s %I', known.table_name, known.full_column);
        return next;
    end if;
end
$body$;

-- Raises for what mrl.maintenance does not take.
-- Called by: mrl.maintenance, client/upkeep.sql
create or replace function mrl._check_upkeep(
    only_table regclass,
    recall float8,
    dead float8,
    changed float8,
    sample int
)
returns void
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $body$
declare
    wrong text := case
        when (recall > 0 and recall <= 1) is not true
        then format('recall %s is not a share above 0, at most 1', recall)
        when (dead >= 0 and dead <= 1) is not true
        then format('dead %s is not a share from 0 to 1', dead)
        when (changed >= 0) is not true then format('changed %s is below 0', changed)
        when (sample >= 1) is not true then format('sample %s is below 1', sample)
    end;
begin
    if wrong is not null then
        raise exception '%', wrong
            using errcode = 'invalid_parameter_value',
                hint = 'leave it out for the default';
    end if;
    if only_table is not null then
        perform mrl.check_owner(only_table);
    end if;
end
$body$;

-- What interrupted reindexes left of the graphs of a table.
-- Called by: mrl._upkeep
create or replace function mrl._half_reindexed(table_id oid)
returns table (name text)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $body$
begin
    if mrl._builder(table_id) is not null
        or exists (
            select
            from pg_stat_progress_create_index as running
            join mrl._tree(_half_reindexed.table_id) as tree on tree.relid = running.relid
        )
    then
        return;
    end if;
    return query
    select format('%I.%I', space.nspname, class.relname)
    from mrl._tree(table_id) as tree
    join pg_index as state on state.indrelid = tree.relid and not state.indisvalid
    join pg_class as class on class.oid = state.indexrelid
    join pg_am as method on method.oid = class.relam and method.amname = 'hnsw'
    join pg_namespace as space on space.oid = class.relnamespace
    where class.relname ~ '_cc(new|old)\d*$'
        -- beside the index that was to be replaced, whose name may have been cut
        and exists (
            select
            from pg_index as other
            join pg_class as main on main.oid = other.indexrelid
            where other.indrelid = tree.relid
                and other.indisvalid
                and starts_with(
                    main.relname, regexp_replace(class.relname, '_cc(new|old)\d*$', '')
                )
        );
end
$body$;

-- All that is due on the tables of the caller, in order.
-- Called by: mrl.maintenance, client/upkeep.sql
create or replace function mrl._upkeep(
    only_table regclass,
    recall float8,
    dead float8,
    changed float8,
    sample int
)
returns table (
    step text,
    table_name regclass,
    index_name name,
    k int,
    filter text,
    queries int,
    candidates int,
    ef_search int,
    rerank int,
    real_queries boolean,
    reason text,
    statement text,
    remedy text
)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $body$
#variable_conflict use_column
declare
    counted record;
    known record;
    broken record;
    asked text;
begin
    for table_name in
        select distinct listed.table_name
        from mrl.indexes as listed
        join pg_class as class on class.oid = listed.table_name
        where (_upkeep.only_table is null or listed.table_name = _upkeep.only_table)
            and pg_has_role(class.relowner, 'usage')
            and not mrl._is_spread(listed.table_name::oid)
        order by listed.table_name
    loop
        index_name := null;
        for statement in
            select format('drop index concurrently if exists %s', half.name)
            from mrl._half_reindexed(table_name::oid) as half
        loop
            step := 'drop';
            reason := 'a reindex was interrupted, and left this';
            return next;
        end loop;
        counted := mrl._dead_rows(table_name::oid);
        -- as mrl.doctor does; a few dead rows are no burden
        if counted.dead > 1000 and counted.dead > _upkeep.dead * (counted.dead + counted.live)
        then
            step := 'vacuum';
            reason := format(
                '%s of %s rows are dead', counted.dead, counted.dead + counted.live
            );
            statement := format('vacuum (analyze) %s', table_name);
            return next;
            -- dead rows count among the candidates, so that recall says nothing of the graph
            continue;
        elsif counted.unknown then
            step := 'analyze';
            reason := 'it was never analyzed';
            statement := format('analyze %s', table_name);
            return next;
        end if;
        for known in
            select listed.*
            from mrl.indexes as listed
            where listed.table_name = _upkeep.table_name
                and listed.in_use
            order by listed.full_column
        loop
            index_name := known.index_name;
            statement := null;
            select found.finding, found.detail, found.remedy, found.mends
            into broken
            from mrl.status(known.table_name) as found
            where found.index_name = known.index_name
                and found.finding is not null
            limit 1;
            if broken.finding is not null then
                k := null;
                filter := null;
                step := 'left';
                reason := format('%s: %s', broken.finding, broken.detail);
                remedy := case
                    when broken.mends then format('mrl-pg repair %s', table_name)
                    else broken.remedy
                end;
                return next;
                remedy := null;
                continue;
            end if;
            asked := format('%L, %L', table_name::text, known.full_column);
            for step, k, filter, queries, candidates, ef_search, rerank, real_queries, reason,
                remedy
            in
                select due.*
                from mrl._upkeep_of(known, _upkeep.recall, _upkeep.changed, _upkeep.sample) as due
            loop
                statement := case step
                    when 'measure' then format(
                        'select * from mrl.recall(%s, index_name => %L, k => %s, sample => %s, '
                        'candidates => %s, ef_search => %s%s%s, keep => true)',
                        asked, index_name, k, queries, candidates, ef_search,
                        ', rerank => ' || rerank,
                        case when real_queries
                            then format(', queries => mrl.kept_queries(%s, %s)', asked, queries)
                        end
                    )
                    when 'reindex' then format(
                        'reindex index concurrently %I.%I', (
                            select space.nspname
                            from pg_class as class
                            join pg_namespace as space on space.oid = class.relnamespace
                            where class.oid = table_name
                        ), index_name
                    )
                    when 'calibrate' then format(
                        'select count(*) from mrl.calibrate(%s, index_name => %L, k => %s%s%s)',
                        asked, index_name, k,
                        case when not real_queries then format(', sample => %s', queries) end,
                        case when filter <> '' then format(', filter => %L', filter) end
                    )
                end;
                return next;
            end loop;
        end loop;
        k := null;
        filter := null;
        remedy := null;
    end loop;
end
$body$;
