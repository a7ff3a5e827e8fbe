-- Measures what searches of your own rows find and cost, and keeps it for recall => 0.99.
-- mrl.calibrate('docs', 'embedding', k => 10, sample => 500, …) -> setof mrl.calibrations
-- Called by: people, mrl_pg.calibrate
create or replace function mrl.calibrate(
    table_name regclass,
    full_column name,
    k int default 10,
    sample int default 500,
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
-- no search_path of its own: names in the filter mean what they mean to the caller
#variable_conflict use_variable
declare
    plan pg_catalog.record;
    asked pg_catalog.record;
    one pg_catalog.record;
    effort pg_catalog.record;
    rows_there pg_catalog.record;
    level int;
    -- of each query: itself, where it is, how far the k-th nearest is, how many there are
    fulls queries%type := '{}';
    parts pg_catalog.oid[] := '{}';
    spots pg_catalog.tid[] := '{}';
    edges double precision[] := '{}';
    totals int[] := '{}';
    found pg_catalog.jsonb[];
    near bigint[];
    shortest double precision[];
    longest double precision[];
    start pg_catalog.timestamptz;
    before pg_catalog.text[];
    settings pg_catalog.text[];
    points pg_catalog.jsonb := '[]';
    made pg_catalog.jsonb;
    told pg_catalog.timestamptz := pg_catalog.clock_timestamp();
begin
    plan := mrl._plan_calibration(
        table_name, full_column, k, sample, filter, pg_catalog.cardinality(args), dims,
        kind, index_name, queries
    );
    execute plan.counting into rows_there
        using args[1], args[2], args[3], args[4], args[5], args[6], args[7], args[8],
            args[9], args[10], args[11], args[12], args[13], args[14], args[15], args[16];
    for asked in execute plan.sampling
        using args[1], args[2], args[3], args[4], args[5], args[6], args[7], args[8],
            args[9], args[10], args[11], args[12], args[13], args[14], args[15],
            args[16], queries
    loop
        execute plan.edge into one
            using args[1], args[2], args[3], args[4], args[5], args[6], args[7], args[8],
                args[9], args[10], args[11], args[12], args[13], args[14], args[15],
                args[16], asked.mrl_full, asked.mrl_part, asked.mrl_place;
        -- nothing is there to be found: alone behind the filter, or all zeros
        continue when one.k operator(pg_catalog.=) 0;
        fulls := pg_catalog.array_append(fulls, asked.mrl_full);
        parts := pg_catalog.array_append(parts, asked.mrl_part);
        spots := pg_catalog.array_append(spots, asked.mrl_place);
        edges := pg_catalog.array_append(edges, one.edge);
        totals := pg_catalog.array_append(totals, one.k::int);
        if pg_catalog.clock_timestamp()
            operator(pg_catalog.>) (told operator(pg_catalog.+) interval '5 s')
        then
            raise notice 'exact answers of % queries', pg_catalog.cardinality(totals);
            told := pg_catalog.clock_timestamp();
        end if;
    end loop;
    for level in select * from mrl._levels(k) loop
        effort := mrl._effort(
            k operator(pg_catalog.+) plan.spare,
            level operator(pg_catalog.+) plan.spare,
            least(level operator(pg_catalog.+) plan.spare, 1000),
            null,
            plan.limited
        );
        found := '{}';
        shortest := '{}';
        longest := '{}';
        before := mrl._enter(effort.settings);
        for place in 1 .. pg_catalog.cardinality(totals) loop
            start := pg_catalog.clock_timestamp();
            execute pg_catalog.replace(
                plan.pass, '{candidates}', effort.candidates::pg_catalog.text
            ) into near
                using args[1], args[2], args[3], args[4], args[5], args[6], args[7],
                    args[8], args[9], args[10], args[11], args[12], args[13], args[14],
                    args[15], args[16], fulls[place], parts[place], spots[place],
                    edges[place];
            longest := pg_catalog.array_append(longest, mrl._ms_since(start));
            found := pg_catalog.array_append(
                found, pg_catalog.to_jsonb(coalesce(near, '{}'))
            );
            -- the same walk with the fewest ranked again, to know what ranking costs
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
        settings := mrl._enter(before);
        made := mrl._points(
            k, level, least(level, 1000), found, totals, shortest, longest
        );
        points := points operator(pg_catalog.||) coalesce(made, '[]');
        raise notice '% candidates measured on % queries', level,
            pg_catalog.cardinality(totals);
        -- nothing is left to find
        exit when not exists (
            select
            from pg_catalog.jsonb_array_elements(made) as point
            where (point operator(pg_catalog.->>) 'recall')::double precision
                operator(pg_catalog.<) 1
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
            -- forced on the owner too: it lets through what a filter would
            case when filter is null and plan.limited then 'row-level security' end
        ),
        points,
        case when rows_there.count operator(pg_catalog.>) 0
            then rows_there.passing::double precision
                operator(pg_catalog./) rows_there.count
        end,
        pg_catalog.cardinality(totals),
        rows_there.count
    );
end
$body$;

comment on function mrl.calibrate(
    regclass, name, int, int, text, text[], int, text, name, vector[]
) is
'Measures, over a random sample of the table''s rows (each without itself) or the queries '
'given, which recall each number of candidates brings and how long it takes, keeps the '
'front in mrl.calibrations, where recall => 0.99 finds it, and answers it. With a filter: '
'for searches with one. Reads the whole table once for each query.';
