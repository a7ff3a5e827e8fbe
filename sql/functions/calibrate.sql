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
    queries vector[] default null,
    rows boolean default false,
    -- what each of the queries counts
    weights float8[] default null,
    -- the key of a tenant with an index of its own
    tenant text default null
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
    counts pg_catalog.record;
    drawn pg_catalog.record;
    truth pg_catalog.record;
    chosen pg_catalog.record;
    walked pg_catalog.record;
    -- for each query: vector, table, row, distance of the k-th nearest row, rows to find,
    -- what it counts, the places of the near rows among the candidates, and whether it is a row
    -- that the filter turns away
    fulls queries%type;
    parts pg_catalog.oid[];
    spots pg_catalog.tid[];
    edges double precision[];
    totals int[];
    counting double precision[];
    near pg_catalog.jsonb[];
    -- and their places in the order by which a search chooses what it reads; NULL if none does
    orders pg_catalog.jsonb[];
    outside boolean[];
    -- wider searches need not be asked
    settled boolean[];
    -- distances of real answers, if rows are chosen by them, and the places of those chosen
    distances double precision[];
    measured pg_catalog.record;
    -- where the near rows are
    known pg_catalog.jsonb[];
    -- the distance and the number of rows to find of all that were drawn
    all_edges double precision[] := '{}';
    all_totals int[] := '{}';
    last int;
    place int;
    level int;
    query_count int;
    points pg_catalog.jsonb := '[]';
    shortest double precision[];
    again double precision[];
    noise double precision;
begin
    if tenant is not null then
        perform mrl._check_of_tenant(tenant, filter);
        -- stored queries are those of all tenants
        rows := queries is null;
    end if;
    perform mrl._check_weights(weights, pg_catalog.cardinality(queries));
    queries := mrl._queries_or_kept(
        table_name, full_column, sample, queries, coalesce(rows, false)
    );
    distances := mrl._distances_to_match(
        table_name, full_column, k, filter, queries, coalesce(rows, false)
    );
    plan := mrl._plan_calibration(
        pg_catalog.jsonb_build_object(
            'table_id', table_name::pg_catalog.oid,
            'full_column', full_column,
            'k', k,
            'sample', sample,
            'filter', filter,
            'arguments', pg_catalog.cardinality(args),
            'dims', dims,
            'kind', kind,
            'index_name', index_name,
            'tenant', tenant
        ),
        queries,
        distances is not null
    );
    -- raises if the filter contains further statements
    perform mrl._share(table_name, filter, args);
    counts := mrl._count_passing(table_name, plan.counting, args);
    drawn := mrl._draw_queries(plan.sampling, args, queries);
    query_count := coalesce(pg_catalog.cardinality(drawn.fulls), 0);
    for start in 1 .. query_count by plan.batch loop
        last := least(
            start operator(pg_catalog.+) plan.batch operator(pg_catalog.-) 1, query_count
        );
        truth := mrl._truth(
            plan.near_edge, plan.edge, plan.edges, k, plan.near_settings, args,
            drawn.fulls[start:last], drawn.parts[start:last], drawn.spots[start:last]
        );
        all_edges := all_edges operator(pg_catalog.||) truth.distances;
        all_totals := all_totals operator(pg_catalog.||) truth.totals;
        -- mrl_pg.calibration.measuring reads the detail
        raise notice 'exact answers of % queries', last
            using detail = pg_catalog.format('%s of %s', last, query_count);
    end loop;
    measured := mrl._rows_to_measure(
        k, all_edges, all_totals, distances,
        case when queries is null then plan.most else query_count end
    );
    query_count := pg_catalog.cardinality(measured.numbers);
    foreach place in array measured.numbers loop
        fulls := pg_catalog.array_append(fulls, drawn.fulls[place]);
        parts := pg_catalog.array_append(parts, drawn.parts[place]);
        spots := pg_catalog.array_append(spots, drawn.spots[place]);
        edges := pg_catalog.array_append(edges, all_edges[place]);
        totals := pg_catalog.array_append(totals, all_totals[place]);
        counting := pg_catalog.array_append(counting, coalesce(weights[place], 1));
        near := pg_catalog.array_append(near, '[]'::pg_catalog.jsonb);
        outside := pg_catalog.array_append(outside, drawn.outside[place]);
        settled := pg_catalog.array_append(settled, false);
        known := pg_catalog.array_append(known, null::pg_catalog.jsonb);
        orders := pg_catalog.array_append(orders, null::pg_catalog.jsonb);
    end loop;
    for level in select * from mrl._walks(k) loop
        chosen := mrl._to_walk(
            mrl._timed_queries(), settled, near, totals, fulls, parts, spots, edges, known
        );
        walked := mrl._walk(
            plan.pass, plan.known_pass, plan.still_there, plan.ordered_pass, plan.best_pass,
            plan.spare, plan.limited, k, level,
            mrl._timed_queries(), args,
            chosen.fulls, chosen.parts, chosen.spots, chosen.edges, chosen.unsettled,
            chosen.known, null, null
        );
        for place in 1 .. coalesce(pg_catalog.cardinality(chosen.numbers), 0) loop
            continue when walked.near[place] is null;
            settled[chosen.numbers[place]] := mrl._settled(
                near[chosen.numbers[place]], walked.near[place],
                totals[chosen.numbers[place]], level,
                orders[chosen.numbers[place]], walked.orders[place]
            );
            orders[chosen.numbers[place]] := walked.orders[place];
            near[chosen.numbers[place]] := walked.near[place];
            known[chosen.numbers[place]] := walked.spots_found[place];
        end loop;
        points := points operator(pg_catalog.||) coalesce(
            mrl._points(
                k, level, least(level, 1000), near, edges, totals, counting, outside,
                walked.shortest, walked.longest,
                case when plan.best_pass is not null then orders end,
                walked.best_shortest, walked.best_longest
            ),
            '[]'
        );
        shortest := shortest operator(pg_catalog.||) walked.shortest;
        again := again operator(pg_catalog.||) walked.again;
        raise notice '% candidates measured on % queries', level, query_count;
        exit when not mrl._wider_may_help(points);
    end loop;
    last := least(mrl._timed_queries(), query_count);
    points := points operator(pg_catalog.||) mrl._exact_point(
        points,
        mrl._exact_times(
            plan.edge, args, fulls[1:last], parts[1:last], spots[1:last],
            mrl._slowest(points)
        ),
        counting
    );
    noise := mrl._noise(shortest, again);
    if noise operator(pg_catalog.>) mrl._most_noise() then
        raise notice 'times of the same search differed by % %%',
                pg_catalog.round(100 operator(pg_catalog.*) noise::pg_catalog.numeric)
            using hint = 'the server is busy, so a search may not take what is fastest; '
                'calibrate again when it is not';
    end if;
    return query
    select *
    from mrl._keep_calibration(
        table_name,
        (plan.slots operator(pg_catalog.->>) 'index_name')::pg_catalog.name,
        k,
        mrl._stored_filter(
            filter,
            args,
            -- the index of a tenant has its rows alone
            plan.limited and tenant is null or pg_catalog.row_security_active(table_name)
        ),
        points,
        counts.share,
        query_count,
        counts.rows,
        case when queries is null then measured.basis else 'queries' end,
        mrl._reach(k, edges, totals, counting),
        pg_catalog.cardinality(pg_catalog.array_positions(outside, true))
    );
end
$body$;

comment on function mrl.calibrate(
    regclass, name, int, int, text, text[], int, text, name, vector[], boolean,
    float8[], text
) is
'Measures recall and time of searches for each number of candidates, over the queries given, '
'else over real queries if at least 100 are stored, else (or if rows is true) over a random '
'sample of the table''s rows (each query leaves out its own row), which are chosen by the '
'distances of real answers if at least 100 are stored for this k. Stores the '
'searches that no faster search beats in mrl.calibrations, where recall => 0.99 finds them, '
'and returns them. weights: what each of the queries counts. With a filter, it measures '
'searches with that filter; if its queries are rows, then for rows that the filter lets '
'through and for as many that it turns away, and stores what the latter find, if that is '
'less, else what all of them find. The default sample is 2000 / k queries, at least 700. '
'Reads the whole table once for every few hundred queries, all in one transaction, which '
'holds its lock on the table and its snapshot until the end; mrl-pg calibrate lets go of '
'both after each batch, and costs the server a fraction, because it compares rows itself. '
'tenant: measures the index of a tenant, on its own rows or the queries given, for searches with '
'this tenant and a recall. It reads rows of the tenant alone.';
