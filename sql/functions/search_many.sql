-- The k rows nearest to each of many queries, planned once: query's number, row, distance.
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
    passes text[] default null,
    exact boolean default false
)
returns table (query int, hit anyelement, distance double precision)
language plpgsql
volatile
parallel unsafe
as $body$
-- no search_path of its own: names in the filter mean what they mean to the caller
declare
    table_id oid := mrl._table_of(pg_catalog.pg_typeof(of_type));
    plan record;
    before text[];
    settings text[];
    answer record;
    -- numbers of the queries still to be answered, and how many rows came for each
    numbers int[];
    came bigint[];
    more boolean;
begin
    queries := queries[:];
    numbers := array(select pg_catalog.generate_series(1, pg_catalog.cardinality(queries)));
    came := pg_catalog.array_fill(0::pg_catalog.int8, array[pg_catalog.cardinality(queries)]);
    for attempt in 1 .. 2 loop
        exit when pg_catalog.cardinality(numbers) operator(pg_catalog.=) 0;
        plan := mrl._plan(
            'batch', table_id, null, full_column, queries, k, candidates, filter,
            pg_catalog.cardinality(args), dims, kind, index_name, ef_search,
            max_scan_tuples, passes, exact, attempt operator(pg_catalog.=) 2
        );
        settings := mrl._enter(plan.settings);
        before := coalesce(before, settings);
        for answer in execute plan.statement
            using args[1], args[2], args[3], args[4], args[5], args[6], args[7], args[8],
                args[9], args[10], args[11], args[12], args[13], args[14], args[15],
                args[16], queries
        loop
            query := numbers[answer.number];
            hit := answer.hit;
            distance := answer.distance;
            came[query] := came[query] operator(pg_catalog.+) 1;
            return next;
        end loop;
        exit when not plan.guarded;
        -- too few candidates came for these: once more, with a scan that goes on for them
        queries := array(
            select queries[place]
            from pg_catalog.generate_subscripts(numbers, 1) as place
            where came[numbers[place]] operator(pg_catalog.=) 0
            order by place
        );
        numbers := array(
            select number
            from pg_catalog.unnest(numbers) as number
            where came[number] operator(pg_catalog.=) 0
            order by number
        );
    end loop;
    if before is not null then
        settings := mrl._enter(before);
    end if;
    if plan.left_over is not null and k operator(pg_catalog.>) any (came) then
        execute plan.left_over into more
            using args[1], args[2], args[3], args[4], args[5], args[6], args[7], args[8],
                args[9], args[10], args[11], args[12], args[13], args[14], args[15],
                args[16], queries,
                (select pg_catalog.min(least) from pg_catalog.unnest(came) as least);
        if more then
            perform mrl._warn_cut_short(
                (select pg_catalog.min(least) from pg_catalog.unnest(came) as least), k
            );
        end if;
    end if;
end
$body$;

comment on function mrl.search_many(
    anyelement, name, vector[], int, int, text, text[], int, text, name, int,
    int, text[], boolean
) is
'The k rows nearest to each of many queries, planned once: number of the query (from 1), '
'row, true distance; nearest first within each query. Otherwise like mrl.search.';
