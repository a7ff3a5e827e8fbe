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
    exact boolean default false,
    recall float8 default null,
    quantile float8 default null
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
    arguments := pg_catalog.jsonb_build_object(
        'table_id', table_name::pg_catalog.oid, 'full_column', full_column,
        'key_type', pg_catalog.pg_typeof(of_type)::pg_catalog.oid,
        'k', k, 'candidates', candidates, 'filter', filter, 'args', args, 'dims', dims,
        'kind', kind, 'index_name', index_name, 'ef_search', ef_search,
        'max_scan_tuples', max_scan_tuples, 'exact', exact, 'recall', recall,
        'quantile', quantile
    );
    for attempt in 1 .. 2 loop
        plan := mrl._begin('keys', array[query], arguments, attempt operator(pg_catalog.=) 2);
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
        -- no row means too few candidates, so search again with an iterative scan
        exit when came operator(pg_catalog.>) 0 or not plan.guarded;
    end loop;
    perform mrl._finish(plan, before, args, came);
end
$body$;

comment on function mrl.search_keys(
    anyelement, regclass, name, vector, int, int, text, text[], int, text,
    name, int, int, boolean, float8, float8
) is
'Keys and true distances of the k rows nearest to a query, nearest first. The key has the '
'type that is passed as NULL; pass jsonb for a key of several columns. Otherwise like '
'mrl.search.';
