-- The functions that search. They take the same options, so an option is added to all of them here.

-- The k rows nearest to a query, as rows of your own table, nearest first.
-- mrl.search(null::docs, 'embedding', query, k => 10, …) -> setof docs
-- Called by: people
create or replace function mrl.search(
    of_type anyelement,
    full_column name,
    query vector,
    k int default 10,
    candidates int default null,
    filter text default null,
    args text[] default null,
    dims int default null,
    kind text default null,
    index_name name default null,
    ef_search int default null,
    max_scan_tuples int default null,
    rerank int default null,
    exact boolean default false,
    recall float8 default null,
    quantile float8 default null,
    tenant text default null,
    probes int default null
)
returns setof anyelement
language plpgsql
volatile
parallel unsafe
as $body$
-- no search_path of its own, so that PostgreSQL looks up the filter's names as the caller does
declare
    arguments pg_catalog.jsonb;
    plan pg_catalog.record;
    before pg_catalog.text[];
    ef_before pg_catalog.text;
    scan_before pg_catalog.text;
    done pg_catalog.text;
    answer pg_catalog.record;
    first_try int := 1;
    came bigint;
begin
    -- NULL means the default
    exact := coalesce(exact, false);
    if exists (select from mrl._rotations) then
        query := mrl._rotated(
            query, mrl._table_of(pg_catalog.pg_typeof(of_type)), full_column
        );
    end if;
    if filter is null and args is null and ef_search is null
        and max_scan_tuples is null and rerank is null and not exact and recall is null
        and quantile is null and tenant is null and probes is null
    then
        plan := mrl._ordinary(
            pg_catalog.pg_typeof(of_type), full_column, query, k, candidates, dims, kind,
            index_name
        );
        if plan.statement is not null then
            -- the same as mrl._enter, without the time of a call
            ef_before := pg_catalog.current_setting('hnsw.ef_search');
            scan_before := pg_catalog.current_setting('hnsw.iterative_scan');
            done := pg_catalog.set_config('hnsw.ef_search', plan.ef_search, true);
            done := pg_catalog.set_config('hnsw.iterative_scan', 'off', true);
            return query execute plan.statement using query;
            get diagnostics came = row_count;
            done := pg_catalog.set_config('hnsw.ef_search', ef_before, true);
            done := pg_catalog.set_config('hnsw.iterative_scan', scan_before, true);
            if came operator(pg_catalog.>) 0 then
                return;
            end if;
            -- that was the first try
            first_try := 2;
        end if;
    end if;
    arguments := pg_catalog.jsonb_build_object(
        'table_id', mrl._table_of(pg_catalog.pg_typeof(of_type)), 'full_column', full_column,
        'k', k, 'candidates', candidates, 'filter', filter, 'args', args, 'dims', dims,
        'kind', kind, 'index_name', index_name, 'ef_search', ef_search,
        'max_scan_tuples', max_scan_tuples, 'rerank', rerank, 'exact', exact,
        'recall', recall, 'quantile', quantile, 'tenant', tenant,
        'probes', probes
    );
    -- five steps of a recall, then an iterative scan
    for attempt in first_try .. 6 loop
        plan := mrl._begin('rows', array[query], arguments, attempt);
        before := coalesce(before, plan.before);
        came := 0;
        if not plan.counted then
            return query execute plan.statement
                using args[1], args[2], args[3], args[4], args[5], args[6], args[7],
                    args[8], args[9], args[10], args[11], args[12], args[13], args[14],
                    args[15], args[16], query;
            get diagnostics came = row_count;
        else
            for answer in execute plan.statement
                using args[1], args[2], args[3], args[4], args[5], args[6], args[7],
                    args[8], args[9], args[10], args[11], args[12], args[13], args[14],
                    args[15], args[16], query
            loop
                return next answer.hit;
                came := answer.seen;
            end loop;
        end if;
        -- no row means too few candidates, or too far away ones, so search again, more widely
        exit when came operator(pg_catalog.>) 0 or not plan.guarded;
    end loop;
    perform mrl._finish(plan, before, args, came);
end
$body$;

comment on function mrl.search(
    anyelement, name, vector, int, int, text, text[], int, text, name, int,
    int, int, boolean, float8, float8, text, int
) is
'The k rows nearest to a query, as rows of the table whose type is passed as NULL, '
'nearest first. A short index finds candidates, and full vectors order them. '
'filter: a condition on the table''s columns; its $1 to $16 are the args, which are text: '
'tenant = $1::int. '
'dims, kind or index_name: the short column to use; without them, the one '
'in use, which is the oldest until mrl.switch_index chooses another. '
'rerank: for kind bit, how many candidates are read in full, those that the bits and the '
'query say are best. '
'recall: use the cheapest search that reached this recall in mrl.calibrate; with a quantile, '
'one by which so large a share of single queries found it. '
'tenant: the key of a tenant, as text; only its rows are searched, by its own index if it has '
'one (mrl.set_tenants), else exactly. '
'probes: of a table that is partitioned by likeness (mrl.set_parts), how many partitions are '
'searched, those nearest to the query. '
'Warns if it finds fewer candidates than asked (with a filter: fewer rows than k) although '
'the table holds more.';

-- Keys and true distances of the k rows nearest to a query, nearest first.
-- mrl.search_keys(null::bigint, 'docs', 'embedding', query, …) -> setof (key, distance)
-- Called by: people
create or replace function mrl.search_keys(
    of_type anyelement,
    table_name regclass,
    full_column name,
    query vector,
    k int default 10,
    candidates int default null,
    filter text default null,
    args text[] default null,
    dims int default null,
    kind text default null,
    index_name name default null,
    ef_search int default null,
    max_scan_tuples int default null,
    rerank int default null,
    exact boolean default false,
    recall float8 default null,
    quantile float8 default null,
    tenant text default null,
    probes int default null
)
returns table (key anyelement, distance double precision)
language plpgsql
volatile
parallel unsafe
as $body$
-- no search_path of its own, so that PostgreSQL looks up the filter's names as the caller does
declare
    arguments pg_catalog.jsonb;
    plan pg_catalog.record;
    before pg_catalog.text[];
    answer pg_catalog.record;
    came bigint;
begin
    -- NULL means the default
    exact := coalesce(exact, false);
    query := mrl._rotated(query, table_name::pg_catalog.oid, full_column);
    arguments := pg_catalog.jsonb_build_object(
        'table_id', table_name::pg_catalog.oid, 'full_column', full_column,
        'key_type', pg_catalog.pg_typeof(of_type)::pg_catalog.oid,
        'k', k, 'candidates', candidates, 'filter', filter, 'args', args, 'dims', dims,
        'kind', kind, 'index_name', index_name, 'ef_search', ef_search,
        'max_scan_tuples', max_scan_tuples, 'rerank', rerank, 'exact', exact,
        'recall', recall, 'quantile', quantile, 'tenant', tenant,
        'probes', probes
    );
    for attempt in 1 .. 6 loop
        plan := mrl._begin('keys', array[query], arguments, attempt);
        before := coalesce(before, plan.before);
        came := 0;
        if not plan.counted then
            return query execute plan.statement
                using args[1], args[2], args[3], args[4], args[5], args[6], args[7],
                    args[8], args[9], args[10], args[11], args[12], args[13], args[14],
                    args[15], args[16], query;
            get diagnostics came = row_count;
        else
            for answer in execute plan.statement
                using args[1], args[2], args[3], args[4], args[5], args[6], args[7],
                    args[8], args[9], args[10], args[11], args[12], args[13], args[14],
                    args[15], args[16], query
            loop
                key := answer.key;
                distance := answer.distance;
                return next;
                came := answer.seen;
            end loop;
        end if;
        -- no row means too few candidates, or too far away ones, so search again, more widely
        exit when came operator(pg_catalog.>) 0 or not plan.guarded;
    end loop;
    perform mrl._finish(plan, before, args, came);
end
$body$;

comment on function mrl.search_keys(
    anyelement, regclass, name, vector, int, int, text, text[], int, text,
    name, int, int, int, boolean, float8, float8, text, int
) is
'Keys and true distances of the k rows nearest to a query, nearest first. The key has the '
'type that is passed as NULL; pass jsonb for a key of several columns. Otherwise like '
'mrl.search.';

-- The k rows nearest to each of many queries, with one plan: number of the query, row, distance.
-- mrl.search_many(null::docs, 'embedding', queries, …) -> setof (query, hit, distance)
-- Called by: people
create or replace function mrl.search_many(
    of_type anyelement,
    full_column name,
    queries vector[],
    k int default 10,
    candidates int default null,
    filter text default null,
    args text[] default null,
    dims int default null,
    kind text default null,
    index_name name default null,
    ef_search int default null,
    max_scan_tuples int default null,
    rerank int default null,
    exact boolean default false,
    recall float8 default null,
    quantile float8 default null,
    tenant text default null,
    probes int default null
)
returns table (query int, hit anyelement, distance double precision)
language plpgsql
volatile
parallel unsafe
as $body$
-- no search_path of its own, so that PostgreSQL looks up the filter's names as the caller does
declare
    arguments pg_catalog.jsonb;
    plan pg_catalog.record;
    before pg_catalog.text[];
    -- numbers of the queries still to be answered
    numbers int[];
    answered int[];
    answer pg_catalog.record;
    came bigint;
begin
    -- NULL means the default
    exact := coalesce(exact, false);
    if queries is null then
        raise exception 'queries is NULL'
            using errcode = 'null_value_not_allowed', hint = 'pass an array of vectors';
    elsif pg_catalog.cardinality(queries) operator(pg_catalog.=) 0 then
        return;
    elsif probes is not null and not exact then
        raise exception 'probes % given for many queries: each query has other parts, and one '
            'plan leaves out none', probes
            using errcode = 'feature_not_supported',
                hint = 'search one by one: … from unnest(queries) as query cross join lateral '
                    'mrl.search(null::docs, ''embedding'', query, probes => 8)';
    end if;
    arguments := pg_catalog.jsonb_build_object(
        'table_id', mrl._table_of(pg_catalog.pg_typeof(of_type)), 'full_column', full_column,
        'k', k, 'candidates', candidates, 'filter', filter, 'args', args, 'dims', dims,
        'kind', kind, 'index_name', index_name, 'ef_search', ef_search,
        'max_scan_tuples', max_scan_tuples, 'rerank', rerank, 'exact', exact,
        'recall', recall, 'quantile', quantile, 'tenant', tenant
    );
    queries := mrl._all_rotated(
        queries[:], mrl._table_of(pg_catalog.pg_typeof(of_type)), full_column
    );
    numbers := array(select pg_catalog.generate_series(1, pg_catalog.cardinality(queries)));
    for attempt in 1 .. 6 loop
        exit when pg_catalog.cardinality(numbers) operator(pg_catalog.=) 0;
        plan := mrl._begin('batch', queries, arguments, attempt);
        before := coalesce(before, plan.before);
        came := 0;
        if not plan.counted then
            return query execute plan.statement
                using args[1], args[2], args[3], args[4], args[5], args[6], args[7],
                    args[8], args[9], args[10], args[11], args[12], args[13], args[14],
                    args[15], args[16], queries, numbers;
            get diagnostics came = row_count;
            exit when not plan.guarded
                or came operator(pg_catalog.=) (
                    k operator(pg_catalog.*)
                        pg_catalog.cardinality(numbers)::pg_catalog.int8
                );
        else
            query := 0;
            for answer in execute plan.statement
                using args[1], args[2], args[3], args[4], args[5], args[6], args[7],
                    args[8], args[9], args[10], args[11], args[12], args[13], args[14],
                    args[15], args[16], queries, numbers
            loop
                if answer.number operator(pg_catalog.<>) query then
                    came := came operator(pg_catalog.+) least(answer.seen, plan.wanted);
                end if;
                query := answer.number;
                hit := answer.hit;
                distance := answer.distance;
                return next;
            end loop;
            exit;
        end if;
        -- queries that found too few candidates, or too far away ones, are searched again
        execute pg_catalog.format(
            'select pg_catalog.array_agg(distinct number) from (%s) as answers',
            plan.statement
        ) into answered
            using args[1], args[2], args[3], args[4], args[5], args[6], args[7], args[8],
                args[9], args[10], args[11], args[12], args[13], args[14], args[15],
                args[16], queries, numbers;
        queries := array(
            select queries[place]
            from pg_catalog.generate_subscripts(numbers, 1) as place
            where not coalesce(numbers[place] operator(pg_catalog.=) any (answered), false)
            order by place
        );
        numbers := array(
            select number
            from pg_catalog.unnest(numbers) as number
            where not coalesce(number operator(pg_catalog.=) any (answered), false)
            order by number
        );
    end loop;
    -- the mean number per query, which is below plan.wanted if any query found fewer
    perform mrl._finish(
        plan,
        before,
        args,
        came operator(pg_catalog./) greatest(pg_catalog.cardinality(numbers), 1)
    );
end
$body$;

comment on function mrl.search_many(
    anyelement, name, vector[], int, int, text, text[], int, text, name, int,
    int, int, boolean, float8, float8, text, int
) is
'The k rows nearest to each of many queries, with one plan: number of the query (from 1), '
'row and true distance, nearest first within each query. Takes no probes, because one plan '
'cannot leave out other partitions for each query. Otherwise like mrl.search.';
