-- Measures recall and time of searches on your own rows, and stores them for recall => 0.99.
-- mrl.calibrate('docs', 'embedding', k => 10, …) -> setof mrl.calibrations
-- Called by: people, mrl_pg.calibration.calibrate
create or replace function mrl.calibrate(
    table_name regclass,
    full_column name,
    k int default 10,
    sample int default null,
    filter text default null,
    args text[] default null,
    dims int default null,
    kind text default null,
    index_name name default null,
    queries vector[] default null
)
returns setof mrl.calibrations
language plpgsql
volatile
parallel unsafe
as $body$
-- no search_path of its own, so that PostgreSQL looks up the filter's names as the caller does
#variable_conflict use_variable
declare
    plan pg_catalog.record;
    effort pg_catalog.record;
    rows_there pg_catalog.record;
    -- for each query: vector, table, row, distance of the k-th nearest row, rows to find
    fulls queries%type;
    parts pg_catalog.oid[];
    spots pg_catalog.tid[];
    edges double precision[];
    totals int[];
    level int;
    query_count int;
    -- above any recall that users ask for, so that no wider search has to be measured
    enough constant double precision := 0.9995;
    -- the number of timed queries; fewer are enough, because times vary less than recalls
    timed constant int := 200;
    near_places pg_catalog.jsonb[];
    near bigint[];
    shortest double precision[];
    longest double precision[];
    start pg_catalog.timestamptz;
    took double precision;
    before pg_catalog.text[];
    replaced pg_catalog.text[];
    points pg_catalog.jsonb := '[]';
    made pg_catalog.jsonb;
begin
    plan := mrl._plan_calibration(
        table_name, full_column, k, sample, filter, pg_catalog.cardinality(args), dims,
        kind, index_name, queries
    );
    -- raises if the filter contains further statements
    perform mrl._share(table_name, filter, args);
    execute plan.counting into rows_there
        using args[1], args[2], args[3], args[4], args[5], args[6], args[7], args[8],
            args[9], args[10], args[11], args[12], args[13], args[14], args[15], args[16];
    select truth.fulls, truth.parts, truth.spots, truth.distances, truth.totals
    into fulls, parts, spots, edges, totals
    from mrl._truth(
        plan.sampling, plan.near_edge, plan.edge, plan.edges, plan.batch, k,
        plan.near_settings, args, queries
    ) as truth;
    query_count := coalesce(pg_catalog.cardinality(totals), 0);
    for level in select * from mrl._levels(k) loop
        effort := mrl._effort(
            k operator(pg_catalog.+) plan.spare,
            level operator(pg_catalog.+) plan.spare,
            least(level operator(pg_catalog.+) plan.spare, 1000),
            null,
            plan.limited
        );
        near_places := '{}';
        shortest := '{}';
        longest := '{}';
        before := mrl._enter(effort.settings);
        for place in 1 .. query_count loop
            start := pg_catalog.clock_timestamp();
            execute pg_catalog.replace(
                plan.pass, '{candidates}', effort.candidates::pg_catalog.text
            ) into near
                using args[1], args[2], args[3], args[4], args[5], args[6], args[7],
                    args[8], args[9], args[10], args[11], args[12], args[13], args[14],
                    args[15], args[16], fulls[place], parts[place], spots[place],
                    edges[place];
            took := mrl._ms_since(start);
            near_places := pg_catalog.array_append(
                near_places, pg_catalog.to_jsonb(coalesce(near, '{}'))
            );
            continue when place operator(pg_catalog.>) timed;
            longest := pg_catalog.array_append(longest, took);
            -- the same scan with the fewest candidates re-ranked, to know the cost of re-ranking
            start := pg_catalog.clock_timestamp();
            execute pg_catalog.replace(
                plan.pass, '{candidates}', (k operator(pg_catalog.+) plan.spare)::pg_catalog.text
            ) into near
                using args[1], args[2], args[3], args[4], args[5], args[6], args[7],
                    args[8], args[9], args[10], args[11], args[12], args[13], args[14],
                    args[15], args[16], fulls[place], parts[place], spots[place],
                    edges[place];
            shortest := pg_catalog.array_append(shortest, mrl._ms_since(start));
        end loop;
        replaced := mrl._enter(before);
        made := mrl._points(
            k, level, least(level, 1000), near_places, totals, shortest, longest
        );
        points := points operator(pg_catalog.||) coalesce(made, '[]');
        raise notice '% candidates measured on % queries', level, query_count;
        exit when not exists (
            select
            from pg_catalog.jsonb_array_elements(made) as point
            where (point operator(pg_catalog.->>) 'recall')::double precision
                operator(pg_catalog.<) enough
                and (point operator(pg_catalog.->>) 'candidates')::int
                operator(pg_catalog.=) level
        );
    end loop;
    return query
    select *
    from mrl._keep_calibration(
        table_name,
        (plan.slots operator(pg_catalog.->>) 'index_name')::pg_catalog.name,
        k,
        pg_catalog.concat_ws(
            ' ',
            filter,
            args::pg_catalog.text,
            -- row-level security that is forced on the owner selects rows, as a filter does
            case when filter is null and plan.limited then 'row-level security' end
        ),
        points,
        case when rows_there.count operator(pg_catalog.>) 0
            then rows_there.passing::double precision operator(pg_catalog./) case
                -- hidden rows cannot be counted, but the share of a search is of all rows
                when pg_catalog.row_security_active(table_name)
                then greatest(mrl._rows(table_name), rows_there.count)
                else rows_there.count
            end
        end,
        query_count,
        rows_there.count
    );
end
$body$;

comment on function mrl.calibrate(
    regclass, name, int, int, text, text[], int, text, name, vector[]
) is
'Measures recall and time of searches for each number of candidates, over the queries given '
'or a random sample of the table''s rows (each query leaves out its own row). Stores the '
'searches that no faster search beats in mrl.calibrations, where recall => 0.99 finds them, '
'and returns them. With a filter, it measures searches with that filter. The default sample '
'is 2000 / k queries, at least 500. Reads the whole table once for every few hundred queries.';
