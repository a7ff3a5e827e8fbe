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
    passes text[] default null,
    exact boolean default false,
    recall float8 default null
)
returns table (key anyelement, distance double precision)
language plpgsql
volatile
parallel unsafe
as $body$
-- no search_path of its own: names in the filter mean what they mean to the caller
declare
    plan pg_catalog.record;
    before pg_catalog.text[];
    settings pg_catalog.text[];
    found pg_catalog.record;
    came bigint;
    more boolean;
begin
    -- what is NULL was not said
    exact := coalesce(exact, false);
    for attempt in 1 .. 2 loop
        plan := mrl._plan(
            'keys', table_name, pg_catalog.pg_typeof(of_type), full_column, array[query], k,
            candidates, filter, args, dims, kind, index_name, ef_search, max_scan_tuples,
            passes, exact, recall, attempt operator(pg_catalog.=) 2,
            -- asked of the planner only where it decides
            case when recall is not null and candidates is null and not exact
                then mrl._share(table_name, filter, args)
            end
        );
        settings := mrl._enter(plan.settings);
        before := coalesce(before, settings);
        came := 0;
        if not plan.counted then
            return query execute plan.statement
                using args[1], args[2], args[3], args[4], args[5], args[6], args[7],
                    args[8], args[9], args[10], args[11], args[12], args[13], args[14],
                    args[15], args[16], query;
            get diagnostics came = row_count;
        else
            for found in execute plan.statement
                using args[1], args[2], args[3], args[4], args[5], args[6], args[7],
                    args[8], args[9], args[10], args[11], args[12], args[13], args[14],
                    args[15], args[16], query
            loop
                key := found.key;
                distance := found.distance;
                return next;
                came := found.seen;
            end loop;
        end if;
        -- none: too few candidates, so once more with a scan that goes on for them
        exit when came operator(pg_catalog.>) 0 or not plan.guarded;
    end loop;
    settings := mrl._enter(before);
    if came operator(pg_catalog.<) plan.wanted and plan.left_over is not null then
        execute plan.left_over into more
            using args[1], args[2], args[3], args[4], args[5], args[6], args[7], args[8],
                args[9], args[10], args[11], args[12], args[13], args[14], args[15],
                args[16], query, came;
        if more then
            perform mrl._warn_cut_short(came, plan.wanted, plan.limited);
        end if;
    end if;
end
$body$;

comment on function mrl.search_keys(
    anyelement, regclass, name, vector, int, int, text, text[], int, text,
    name, int, int, text[], boolean, float8
) is
'Keys and true distances of the k rows nearest to a query, nearest first; the key is of '
'the type passed as NULL, jsonb for one of several columns. Otherwise like mrl.search.';
