-- Measures searches with many settings, and stores the results.

-- Candidates of the searches that a calibration tries, in ascending order.
-- Called by: mrl.calibrate, mrl._points, client/calibration.sql
create or replace function mrl._levels(k int)
returns setof int
language sql
immutable
parallel safe
begin atomic
    -- steps of the square root of 2, and 1000, the most candidates of an ordinary scan
    select candidates::int
    from (
        -- a limit for the cast, which may run before the condition
        select least(
            pg_catalog.ceil(
                k operator(pg_catalog.*) pg_catalog.power(
                    2, step operator(pg_catalog./) 2.0
                )
            ),
            2147483647
        )
        from pg_catalog.generate_series(0, 24) as step
        union
        select 1000
    ) as level (candidates)
    where candidates operator(pg_catalog.>=) k
        and candidates operator(pg_catalog.<=) greatest(
            4000, 4 operator(pg_catalog.*) k::bigint
        )
    order by candidates;
end;

-- Quantiles of some amounts: the least amount that so large a share of the weights does not exceed.
-- Called by: mrl._points, mrl._reach
create or replace function mrl._quantiles(
    amounts float8[], weights float8[], asked float8[]
)
returns float8[]
language sql
immutable
parallel safe
begin atomic
    with tally as (
        select
            part.amount,
            pg_catalog.sum(part.weight) over (order by part.amount) as up_to,
            pg_catalog.sum(part.weight) over () as total
        from rows from (
            pg_catalog.unnest(amounts), pg_catalog.unnest(weights)
        ) as part (amount, weight)
        where part.weight operator(pg_catalog.>) 0
    )
    select pg_catalog.array_agg(
        (
            select pg_catalog.min(tally.amount)
            from tally
            -- less what sums of weights lose by rounding
            where tally.up_to operator(pg_catalog.>=) (
                (wanted.share operator(pg_catalog.-) 1e-9::pg_catalog.float8)
                    operator(pg_catalog.*) tally.total
            )
        )
        order by wanted.number
    )
    from pg_catalog.unnest(asked) with ordinality as wanted (share, number);
end;

-- How far the k-th row is from the queries: 21 quantiles of its exact distance, from 0 to 1.
-- Called by: mrl.calibrate, client/calibration.sql
create or replace function mrl._reach(
    k int,
    -- as mrl._truth returns them
    edges float8[],
    totals int[],
    weights float8[]
)
returns float8[]
language sql
immutable
parallel safe
begin atomic
    select mrl._quantiles(
        pg_catalog.array_agg(
            -- mrl._edge adds the errors of single precision
            query.edge operator(pg_catalog.-) 1e-5::pg_catalog.float8
        ),
        pg_catalog.array_agg(query.weight),
        array(
            select step operator(pg_catalog./) 20::pg_catalog.float8
            from pg_catalog.generate_series(0, 20) as step
        )
    )
    from rows from (
        pg_catalog.unnest(edges), pg_catalog.unnest(totals), pg_catalog.unnest(weights)
    ) as query (edge, total, weight)
    where query.total operator(pg_catalog.=) k
    having pg_catalog.count(*) operator(pg_catalog.>) 0;
end;

-- Recall and time for each number of candidates up to the number of a timed search.
-- Called by: mrl.calibrate, client/calibration.sql
create or replace function mrl._points(
    k int,
    candidates int,
    ef_search int,
    -- for each query: positions of near candidates as a JSON array, how many rows to find,
    -- and what the query counts
    near jsonb[],
    totals int[],
    weights float8[],
    -- for each timed query: milliseconds with k and with all candidates re-ranked
    shortest float8[],
    longest float8[]
)
returns jsonb
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $body$
begin
    return (
        with query as (
            select
                query.near,
                query.total,
                query.number,
                -- the effective number of queries together (Kish, 1965)
                query.weight * sum(query.weight) over ()
                    / sum(query.weight * query.weight) over () as weight
            from unnest(near, totals, weights) with ordinality
                as query (near, total, weight, number)
            where total > 0
        ),
        tally as (
            select
                level,
                query.number,
                query.weight,
                least(
                    (
                        select count(*)
                        from jsonb_array_elements(query.near) as place
                        where place::int <= level
                    ),
                    query.total
                )::float8 / query.total as recall
            from query
            cross join mrl._levels(_points.k) as level
            where level <= _points.candidates
                -- ef_search is the same for all that are above it, which were measured before
                and (level = _points.candidates or _points.candidates <= _points.ef_search)
        ),
        mean as (
            select
                level,
                mrl._interval(
                    array_agg(recall order by number),
                    array_agg(weight order by number),
                    1.644854
                ) as interval
            from tally
            group by level
        ),
        single as (
            select
                level,
                array_agg(recall order by recall) as shares,
                array_agg(weight order by recall) as weights
            from (
                select level, recall, sum(weight) as weight
                from tally
                group by level, recall
            ) as alike
            group by level
        ),
        times as (
            select
                percentile_cont(array[0.5, 0.95]) within group (order by few) as few,
                percentile_cont(array[0.5, 0.95]) within group (order by all_of_them) as all_of_them
            from unnest(shortest, longest) as took (few, all_of_them)
        )
        select jsonb_agg(
            jsonb_build_object(
                'candidates', mean.level,
                'ef_search', _points.ef_search,
                'recall', (mean.interval).mean,
                'low', (mean.interval).low,
                'p05', (mrl._quantiles(single.shares, single.weights, array[0.05]))[1],
                'shares', single.shares,
                'weights', single.weights,
                -- re-ranking takes the same time for each candidate
                'median_ms', coalesce(
                    times.few[1] + part.of_all * (times.all_of_them[1] - times.few[1]),
                    times.all_of_them[1]
                ),
                'p95_ms', coalesce(
                    times.few[2] + part.of_all * (times.all_of_them[2] - times.few[2]),
                    times.all_of_them[2]
                )
            )
        )
        from mean
        join single on single.level = mean.level
        cross join times
        cross join lateral (
            select (mean.level - _points.k)::float8
                / greatest(_points.candidates - _points.k, 1)
        ) as part (of_all)
    );
end
$body$;

-- Milliseconds that have passed since a moment.
-- Called by: mrl._walk
create or replace function mrl._ms_since(start timestamptz)
returns float8
language sql
volatile
parallel safe
return extract(
    epoch from pg_catalog.clock_timestamp() operator(pg_catalog.-) start
)::pg_catalog.float8 operator(pg_catalog.*) 1000;

-- The statements of a calibration: its sample, its exact search and the pass that is timed.
-- Called by: mrl.calibrate, client/calibration.sql
create or replace function mrl._plan_calibration(
    table_name regclass,
    full_column name,
    k int,
    sample int,
    filter text,
    arguments int,
    dims int,
    kind text,
    index_name name,
    queries vector[],
    -- more rows are drawn, of which some are chosen by the distance of their answers
    by_distance boolean default false,
    out slots jsonb,
    out sampling text,
    -- the number of rows that are measured
    out most int,
    -- statements for the distance of the k-th nearest row: by a first pass with its settings,
    -- by exact search, and by exact search for many queries at once
    out near_edge text,
    out near_settings text[],
    out edge text,
    out edges text,
    -- the number of queries that are searched at once
    out batch int,
    -- the timed search, in which mrl._walk replaces {candidates}; and the same without reading
    -- full vectors, for rows that are known to be near
    out pass text,
    out known_pass text,
    -- candidates per query that do not count: 1 if a sampled row finds itself, else 0
    out spare int,
    -- a filter or a policy lets only some rows through
    out limited boolean,
    -- counts all rows, and the rows that the filter selects
    out counting text
)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $body$
declare
    -- the most bytes of queries in a batch, because each row is compared with all of them
    batch_bytes constant int := 2000000;
    query text;
    passes text;
    effort record;
begin
    perform mrl.check_owner(table_name);
    perform mrl._check_writable();
    slots := mrl._found(table_name, full_column, dims, kind, index_name);
    -- raises if no search accepts this k
    effort := mrl._effort(k, null, null, null, false);
    if k > 100000000 then
        raise exception 'k % is above 100000000, the most that a calibration measures', k
            using errcode = 'invalid_parameter_value';
    end if;
    -- precision depends on the number of answers, so a small k needs more queries
    sample := coalesce(sample, greatest(700, 2000 / k));
    if sample < 1 then
        raise exception 'sample % is below 1', sample
            using errcode = 'invalid_parameter_value', hint = 'give a number of queries';
    end if;
    perform mrl._check_filter(filter, arguments);
    perform mrl._check_queries(queries, slots);
    most := sample;
    if by_distance then
        sample := least(sample::bigint * mrl._drawn_for_each(), 2147483647);
    end if;
    limited := filter is not null or row_security_active(table_name);
    -- a sampled row is its own nearest row, so a search takes one more and leaves itself out
    spare := case when queries is null then 1 else 0 end;
    query := format('$17::%s', slots ->> 'type');
    slots := slots || jsonb_build_object(
        'filter', mrl._condition(filter),
        'query', query,
        'short_query', mrl._short_of(query, slots),
        'value', slots ->> 'full',
        'gate', 'true',
        'extra', '',
        'key_names', slots ->> 'names',
        'sample', sample,
        'queries', '$17',
        'candidates', '{candidates}',
        'other', mrl._not_itself(
            queries is null, (slots ->> 'parts')::boolean, '$18', '$19'
        ),
        'bounds', '$20',
        'parts_asked', '$18',
        'places_asked', '$19',
        'other_asked', mrl._not_itself(
            queries is null, (slots ->> 'parts')::boolean, 'part', 'place'
        ),
        'k', k
    );
    passes := mrl._render(mrl._first_pass(), slots);
    sampling := mrl._render(
        case when queries is null then mrl._sample() else mrl._given() end, slots
    );
    effort := mrl._effort(k + spare, greatest(2 * k, 40), null, null, limited);
    near_settings := effort.settings;
    near_edge := mrl._render(
        mrl._edge(),
        slots || jsonb_build_object(
            'rows', replace(passes, '{candidates}', effort.candidates::text)
        )
    );
    edge := mrl._render(
        mrl._edge(),
        slots || jsonb_build_object(
            'rows', mrl._render(mrl._exact(), slots || jsonb_build_object('k', k + spare))
        )
    );
    edges := mrl._render(mrl._edges(), slots);
    batch := greatest(1, batch_bytes / (4 * (slots ->> 'full_dims')::int));
    slots := slots || jsonb_build_object(
        'passes', passes,
        'spot', case
            when (slots ->> 'parts')::boolean
            then 'pg_catalog.concat(mrl_part, '' '', mrl_place)'
            else 'mrl_place::pg_catalog.text'
        end
    );
    pass := mrl._render(
        mrl._near_places(),
        slots || jsonb_build_object('near', 'distance operator(pg_catalog.<=) $20')
    );
    -- the planner leaves out a distance that is not used
    known_pass := mrl._render(
        mrl._near_places(),
        slots || jsonb_build_object(
            'near', 'mrl_spot operator(pg_catalog.=) any ($21::pg_catalog.text[])'
        )
    );
    counting := format(
        'select pg_catalog.count(*) as count, '
        'pg_catalog.count(*) filter (where true%s) as passing from %s',
        slots ->> 'filter', slots ->> 'table'
    );
end
$body$;

-- Whether as many queries of one search as of another found any recall that can be asked for.
-- Called by: mrl._keep_calibration
create or replace function mrl._finds_as_much(
    shares float8[],
    weights float8[],
    -- of the other search, NULL if nobody knows
    other_shares float8[],
    other_weights float8[]
)
returns boolean
language plpgsql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $body$
begin
    return other_shares is null or (
        -- rounding must not tell apart what is the same
        select min(ahead) >= -1e-9
        from (
            -- from the highest recall down, the share of queries that found it, less the other's
            select sum(part) over (order by share desc) as ahead
            from (
                select share, weight / sum(weight) over () as part
                from unnest(shares, weights) as own (share, weight)
                union all
                select share, -weight / sum(weight) over ()
                from unnest(other_shares, other_weights) as other (share, weight)
            ) as single
        ) as running
    );
end
$body$;

-- Stores the points of a calibration that no other point beats, and deletes the older calibration.
-- Called by: mrl.calibrate, client/calibration.sql
create or replace function mrl._keep_calibration(
    table_id regclass,
    index_name name,
    k int,
    filter text,
    points jsonb,
    share float8,
    queries int,
    -- the counted rows, for a table without statistics
    rows bigint,
    -- what the queries were: queries, distances or rows
    basis text default null,
    -- 21 quantiles of the exact distance of the k-th row
    reach float8[] default null
)
returns setof mrl.calibrations
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $body$
#variable_conflict use_column
declare
    built record;
    counts record;
    claimed int;
    reports text;
begin
    perform mrl.check_owner(_keep_calibration.table_id);
    built := mrl._built(_keep_calibration.table_id, _keep_calibration.index_name);
    counts := mrl._counts(_keep_calibration.table_id);
    -- so that other sessions soon see the changes that this one has counted
    reports := pg_stat_force_next_flush()::text;
    insert into mrl._claims (table_id)
    values (_keep_calibration.table_id)
    returning _claims.entry into claimed;
    -- one calibration at a time, because two for one index would write the same rows
    perform
    from mrl._own_registry as registry
    where registry.entry = claimed
        and registry.index_name = _keep_calibration.index_name
    for update;
    insert into mrl._removals (entry, index_name, k, filter)
    values (
        claimed,
        _keep_calibration.index_name,
        _keep_calibration.k,
        _keep_calibration.filter
    );
    return query
    with point as (
        -- Walks of more than 1000 have the same settings for fewer candidates. Where rows changed
        -- between two of them, the lower recall counts.
        select distinct on (point.candidates, point.ef_search) *
        from jsonb_to_recordset(points) as point (
            candidates int, ef_search int, recall float8, low float8,
            median_ms float8, p95_ms float8, p05 float8, shares float8[], weights float8[]
        )
        order by
            point.candidates, point.ef_search, point.recall, point.low, point.median_ms
    ),
    stored as (
        insert into mrl._own_calibrations (
            entry, index_name, k, filter, candidates, ef_search, share,
            recall, low, median_ms, p95_ms, queries, rows, m, ef_construction,
            basis, p05, shares, weights, reach, changes, born
        )
        select
            claimed,
            _keep_calibration.index_name,
            _keep_calibration.k,
            _keep_calibration.filter,
            point.candidates,
            point.ef_search,
            _keep_calibration.share,
            point.recall,
            point.low,
            point.median_ms,
            point.p95_ms,
            _keep_calibration.queries,
            coalesce(counts.rows::bigint, _keep_calibration.rows),
            built.m,
            built.ef_construction,
            _keep_calibration.basis,
            point.p05,
            point.shares,
            point.weights,
            _keep_calibration.reach,
            counts.changes,
            (select live.born from mrl._live_tables as live where live.entry = claimed)
        from point
        where not exists (
            select
            from point as better
            -- exact search may be fastest with one filter, and the index with another
            where better.candidates is not null
                and better.recall >= point.recall
                and better.low >= point.low
                and mrl._finds_as_much(
                    better.shares, better.weights, point.shares, point.weights
                )
                and (better.median_ms, better.candidates, better.ef_search)
                    < (point.median_ms, point.candidates, point.ef_search)
        )
        returning *
    )
    select
        _keep_calibration.table_id,
        stored.index_name,
        stored.k,
        stored.filter,
        stored.candidates,
        stored.ef_search,
        stored.share,
        stored.recall,
        stored.low,
        stored.median_ms,
        stored.p95_ms,
        stored.queries,
        stored.rows,
        stored.m,
        stored.ef_construction,
        stored.measured_at,
        stored.basis,
        stored.p05,
        stored.shares,
        stored.weights,
        stored.reach,
        stored.changes,
        stored.born
    from stored
    order by stored.median_ms;
end
$body$;

-- The exact distance of each query to its k-th nearest row, and how many rows it has to find.
-- Called by: mrl.calibrate, client/calibration.sql
create or replace function mrl._truth(
    -- statements, as mrl._plan_calibration makes them
    near_edge text,
    edge text,
    edges text,
    k int,
    -- settings of the first pass, whose distances are upper bounds
    settings text[],
    args text[],
    -- of each query: vector, table and row
    fulls vector[],
    parts oid[],
    spots tid[],
    out distances float8[],
    out totals int[]
)
language plpgsql
volatile
parallel unsafe
as $body$
-- no search_path of its own, so that PostgreSQL looks up the filter's names as the caller does
#variable_conflict use_variable
declare
    result pg_catalog.record;
    before pg_catalog.text[];
    replaced pg_catalog.text[];
    bounds double precision[] := '{}';
    place int;
begin
    distances := '{}';
    totals := '{}';
    before := mrl._enter(settings);
    for place in 1 .. coalesce(pg_catalog.cardinality(fulls), 0) loop
        execute near_edge into result
            using args[1], args[2], args[3], args[4], args[5], args[6], args[7], args[8],
                args[9], args[10], args[11], args[12], args[13], args[14], args[15],
                args[16], fulls[place], parts[place], spots[place];
        bounds := pg_catalog.array_append(
            bounds, case when result.k operator(pg_catalog.=) k then result.edge end
        );
        -- no bound, because the first pass found too few rows, as with a selective filter
        if bounds[place] is null then
            execute edge into result
                using args[1], args[2], args[3], args[4], args[5], args[6], args[7], args[8],
                    args[9], args[10], args[11], args[12], args[13], args[14], args[15],
                    args[16], fulls[place], parts[place], spots[place];
        end if;
        distances := pg_catalog.array_append(distances, result.edge);
        totals := pg_catalog.array_append(totals, result.k::int);
    end loop;
    replaced := mrl._enter(before);
    execute edges into result
        using args[1], args[2], args[3], args[4], args[5], args[6], args[7], args[8],
            args[9], args[10], args[11], args[12], args[13], args[14], args[15],
            args[16], fulls, parts, spots, bounds;
    for item in 1 .. coalesce(pg_catalog.cardinality(result.numbers), 0) loop
        place := result.numbers[item];
        distances[place] := result.edges[item];
        totals[place] := result.totals[item];
    end loop;
end
$body$;

-- What a search with some number of candidates finds for some queries, and how long it takes.
-- Called by: mrl.calibrate, client/calibration.sql
create or replace function mrl._walk(
    -- as mrl._plan_calibration makes them
    pass text,
    known_pass text,
    spare int,
    limited boolean,
    k int,
    candidates int,
    -- how many of the queries are timed, from the first on
    timed int,
    args text[],
    -- of each query: vector, table and row, the exact distance of the k-th row, and whether
    -- narrower searches leave open what it finds; the others are walked only to be timed
    fulls vector[],
    parts oid[],
    spots tid[],
    edges float8[],
    unsettled boolean[],
    -- where its near rows are, as a JSON array, if a narrower search found them all
    known jsonb[],
    -- places of the near rows among the candidates, and where they are in the table, each as a
    -- JSON array; NULL if the query was not walked
    out near jsonb[],
    out spots_found jsonb[],
    -- milliseconds when k and when all candidates were re-ranked; NULL if not timed
    out shortest float8[],
    out longest float8[],
    -- the first of them once more, to know what times of the same search differ by
    out again float8[]
)
language plpgsql
volatile
parallel unsafe
as $body$
-- no search_path of its own, so that PostgreSQL looks up the filter's names as the caller does
#variable_conflict use_variable
declare
    -- no more queries are timed after this, except the first few
    most_ms constant double precision := 500;
    fewest constant int := 5;
    repeated constant int := 3;
    effort pg_catalog.record := mrl._effort(
        k operator(pg_catalog.+) spare,
        candidates operator(pg_catalog.+) spare,
        least(candidates operator(pg_catalog.+) spare, 1000),
        null,
        limited
    );
    wide pg_catalog.text := pg_catalog.replace(
        pass, '{candidates}', effort.candidates::pg_catalog.text
    );
    -- the same scan with the fewest candidates re-ranked, to know the cost of re-ranking
    narrow pg_catalog.text := pg_catalog.replace(
        pass, '{candidates}', (k operator(pg_catalog.+) spare)::pg_catalog.text
    );
    narrower pg_catalog.text := pg_catalog.replace(
        known_pass, '{candidates}', effort.candidates::pg_catalog.text
    );
    found pg_catalog.record;
    unused pg_catalog.record;
    spent double precision := 0;
    is_timed boolean;
    start pg_catalog.timestamptz;
    before pg_catalog.text[];
    replaced pg_catalog.text[];
begin
    near := '{}';
    spots_found := '{}';
    before := mrl._enter(effort.settings);
    for place in 1 .. coalesce(pg_catalog.cardinality(fulls), 0) loop
        is_timed := place operator(pg_catalog.<=) timed and (
            place operator(pg_catalog.<=) fewest or spent operator(pg_catalog.<) most_ms
        );
        longest[place] := null;
        shortest[place] := null;
        again[place] := null;
        near[place] := null;
        spots_found[place] := null;
        continue when not (is_timed or unsettled[place]);
        if not is_timed and known[place] is not null then
            execute narrower into found
                using args[1], args[2], args[3], args[4], args[5], args[6], args[7],
                    args[8], args[9], args[10], args[11], args[12], args[13], args[14],
                    args[15], args[16], fulls[place], parts[place], spots[place],
                    edges[place],
                    array(select pg_catalog.jsonb_array_elements_text(known[place]));
            -- else a row has moved since, or this search misses it
            if pg_catalog.cardinality(found.places)
                operator(pg_catalog.=) pg_catalog.jsonb_array_length(known[place])
            then
                near[place] := pg_catalog.to_jsonb(found.places);
                spots_found[place] := known[place];
                continue;
            end if;
        end if;
        start := pg_catalog.clock_timestamp();
        execute wide into found
            using args[1], args[2], args[3], args[4], args[5], args[6], args[7],
                args[8], args[9], args[10], args[11], args[12], args[13], args[14],
                args[15], args[16], fulls[place], parts[place], spots[place],
                edges[place];
        longest[place] := mrl._ms_since(start);
        near[place] := pg_catalog.to_jsonb(coalesce(found.places, '{}'));
        spots_found[place] := pg_catalog.to_jsonb(coalesce(found.spots, '{}'));
        if not is_timed then
            longest[place] := null;
            continue;
        end if;
        spent := spent operator(pg_catalog.+) longest[place];
        -- above 1000 candidates only searches that re-rank all of them are stored
        continue when candidates operator(pg_catalog.>) 1000;
        for attempt in 1 .. 2 loop
            exit when attempt operator(pg_catalog.>) 1
                and place operator(pg_catalog.>) repeated;
            start := pg_catalog.clock_timestamp();
            execute narrow into unused
                using args[1], args[2], args[3], args[4], args[5], args[6], args[7],
                    args[8], args[9], args[10], args[11], args[12], args[13], args[14],
                    args[15], args[16], fulls[place], parts[place], spots[place],
                    edges[place];
            if attempt operator(pg_catalog.=) 1 then
                shortest[place] := mrl._ms_since(start);
                spent := spent operator(pg_catalog.+) shortest[place];
            else
                again[place] := mrl._ms_since(start);
            end if;
        end loop;
    end loop;
    replaced := mrl._enter(before);
end
$body$;

-- Whether a query finds in a wider search what it found, at the same places.
-- Called by: mrl.calibrate; mrl_pg.calibration.in_batches does so in Python
create or replace function mrl._settled(
    -- places of the near rows by the search before and by this one, and how many rows to find
    before jsonb,
    near jsonb,
    total int,
    -- candidates of this search
    candidates int
)
returns boolean
language sql
immutable
parallel safe
-- benchmarks/calibrate.py measures what this rule does to the mean recalls
return pg_catalog.jsonb_array_length(near) operator(pg_catalog.>=) total
    and near operator(pg_catalog.=) before
    and (4 operator(pg_catalog.*) (near operator(pg_catalog.->>) (-1))::int)
        operator(pg_catalog.<=) candidates;

-- The queries that a wider search walks: those that are timed, and those that are not settled.
-- Called by: mrl.calibrate
create or replace function mrl._to_walk(
    -- how many of the queries are timed, from the first on
    timed int,
    -- of each query: whether it is settled, places of its near rows so far, rows to find; and
    -- as mrl._walk takes them
    settled boolean[],
    near jsonb[],
    totals int[],
    inout fulls vector[],
    inout parts oid[],
    inout spots tid[],
    inout edges float8[],
    inout known jsonb[],
    out unsettled boolean[],
    out numbers int[]
)
language sql
immutable
parallel safe
begin atomic
    select
        pg_catalog.array_agg(query.full_value order by query.number),
        pg_catalog.array_agg(query.part order by query.number),
        pg_catalog.array_agg(query.spot order by query.number),
        pg_catalog.array_agg(query.edge order by query.number),
        pg_catalog.array_agg(
            case
                when pg_catalog.jsonb_array_length(query.near)
                    operator(pg_catalog.>=) query.total
                then query.known_spots
            end
            order by query.number
        ),
        pg_catalog.array_agg(not query.is_settled order by query.number),
        pg_catalog.array_agg(query.number::int order by query.number)
    from rows from (
        pg_catalog.unnest(settled),
        pg_catalog.unnest(near),
        pg_catalog.unnest(totals),
        pg_catalog.unnest(fulls),
        pg_catalog.unnest(parts),
        pg_catalog.unnest(spots),
        pg_catalog.unnest(edges),
        pg_catalog.unnest(known)
    ) with ordinality as query (
        is_settled, near, total, full_value, part, spot, edge, known_spots, number
    )
    where query.number operator(pg_catalog.<=) timed
        or not query.is_settled;
end;

-- Refuses weights that are not one positive number for each query that the caller gives.
-- Called by: mrl.calibrate
create or replace function mrl._check_weights(weights float8[], queries int)
returns void
language plpgsql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $body$
begin
    if weights is null then
        return;
    elsif queries is null then
        raise exception 'weights were given without queries'
            using errcode = 'invalid_parameter_value',
                hint = 'give queries, and a weight for each of them';
    elsif cardinality(weights) <> queries then
        raise exception '% weights were given for % queries', cardinality(weights), queries
            using errcode = 'invalid_parameter_value', hint = 'give a weight for each query';
    -- sums of squares of others have no room in a double
    elsif not coalesce(1e-9 <= all (weights) and 1e9 >= all (weights), false) then
        raise exception 'a weight is outside 1e-9 to 1e9'
            using errcode = 'invalid_parameter_value',
                hint = 'leave a query of no weight out, and count in other units';
    end if;
end
$body$;

-- Milliseconds of some searches, which end with one that takes longer than what it competes with.
-- Called by: mrl.calibrate, client/calibration.sql
create or replace function mrl._exact_times(
    -- an exact search or a first pass, as mrl._plan_calibration makes it
    edge text,
    args text[],
    -- of each query to be timed: vector, table and row
    fulls vector[],
    parts oid[],
    spots tid[],
    -- for exact search, milliseconds of the slowest search by the index
    most_ms float8
)
returns float8[]
language plpgsql
volatile
parallel unsafe
as $body$
-- no search_path of its own, so that PostgreSQL looks up the filter's names as the caller does
#variable_conflict use_variable
declare
    times double precision[] := '{}';
    spent double precision := 0;
    start pg_catalog.timestamptz;
    unused pg_catalog.record;
begin
    for place in 1 .. coalesce(pg_catalog.cardinality(fulls), 0) loop
        start := pg_catalog.clock_timestamp();
        execute edge into unused
            using args[1], args[2], args[3], args[4], args[5], args[6], args[7], args[8],
                args[9], args[10], args[11], args[12], args[13], args[14], args[15],
                args[16], fulls[place], parts[place], spots[place];
        times := pg_catalog.array_append(times, mrl._ms_since(start));
        spent := spent operator(pg_catalog.+) times[place];
        exit when times[place] operator(pg_catalog.>) most_ms
            or place operator(pg_catalog.>=) 5 and spent operator(pg_catalog.>) 1000;
    end loop;
    return times;
end
$body$;

-- The slowest median of some points.
-- Called by: mrl._exact_point, mrl.calibrate, client/calibration.sql
create or replace function mrl._slowest(points jsonb)
returns float8
language sql
immutable
parallel safe
return (
    select pg_catalog.max((point operator(pg_catalog.->>) 'median_ms')::pg_catalog.float8)
    from pg_catalog.jsonb_array_elements(points) as point
);

-- Exact search as a point, which has no candidates; no point if searches by the index are faster.
-- Called by: mrl.calibrate, client/calibration.sql
create or replace function mrl._exact_point(points jsonb, times float8[], weights float8[])
returns jsonb
language plpgsql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $body$
declare
    milliseconds float8[] := (
        select percentile_cont(array[0.5, 0.95]) within group (order by took)
        from unnest(times) as took
    );
begin
    if milliseconds[1] is null
        or milliseconds[1] > coalesce(mrl._slowest(points), 'infinity')
    then
        return '[]';
    end if;
    -- it finds everything by definition, so there is nothing to be sure of
    return jsonb_build_array(
        jsonb_build_object(
            'recall', 1,
            'low', 1,
            'p05', 1,
            'shares', array[1],
            'weights', array[(select sum(weight) from unnest(weights) as weight)],
            'median_ms', milliseconds[1],
            'p95_ms', milliseconds[2]
        )
    );
end
$body$;

-- How many queries of a calibration are timed. Times vary far less than recalls.
-- Called by: mrl.calibrate, client/calibration.sql
create or replace function mrl._timed_queries()
returns int
language sql
immutable
parallel safe
return 20;

-- Whether a wider search can still find more than those that were measured.
-- Called by: mrl.calibrate, client/calibration.sql
create or replace function mrl._wider_may_help(points jsonb)
returns boolean
language sql
immutable
parallel safe
begin atomic
    -- a recall above any that is asked for, or no better than with an eighth of the candidates
    with widest as (
        select
            (point operator(pg_catalog.->>) 'candidates')::int as candidates,
            pg_catalog.max(
                (point operator(pg_catalog.->>) 'recall')::pg_catalog.float8
            ) as recall
        from pg_catalog.jsonb_array_elements(points) as point
        where (point operator(pg_catalog.->>) 'ef_search')::int
            operator(pg_catalog.=) least((point operator(pg_catalog.->>) 'candidates')::int, 1000)
        group by 1
        order by 1 desc
        limit 7
    )
    select coalesce(
        pg_catalog.max(widest.recall) operator(pg_catalog.<) 0.9995
        and (
            pg_catalog.count(*) operator(pg_catalog.<) 7
            or pg_catalog.max(widest.recall) operator(pg_catalog.-) pg_catalog.min(widest.recall)
                operator(pg_catalog.>=) 0.0005
        ),
        false
    )
    from widest;
end;

-- Times of the same search that differ by a larger part than this say little.
-- Called by: mrl.calibrate, client/calibration.sql
create or replace function mrl._most_noise()
returns float8
language sql
immutable
parallel safe
return 0.25;

-- Part by which times of the same search differ, in the median; NULL if none was repeated.
-- Called by: mrl.calibrate, client/calibration.sql
create or replace function mrl._noise(times float8[], again float8[])
returns float8
language sql
immutable
parallel safe
return (
    select pg_catalog.percentile_cont(0.5) within group (
        order by pg_catalog.abs(took.first operator(pg_catalog.-) took.second)
            operator(pg_catalog./) least(took.first, took.second)
    )
    from rows from (
        pg_catalog.unnest(times), pg_catalog.unnest(again)
    ) as took (first, second)
    where took.second is not null
);

-- Rows that a role sees of a table, and the share of rows that pass the filter.
-- Called by: mrl.calibrate, client/calibration.sql
create or replace function mrl._count_passing(
    table_name regclass,
    -- as mrl._plan_calibration makes it
    counting text,
    args text[],
    out rows bigint,
    out share float8
)
language plpgsql
volatile
parallel unsafe
as $body$
-- no search_path of its own, so that PostgreSQL looks up the filter's names as the caller does
#variable_conflict use_variable
declare
    counts pg_catalog.record;
begin
    execute counting into counts
        using args[1], args[2], args[3], args[4], args[5], args[6], args[7], args[8],
            args[9], args[10], args[11], args[12], args[13], args[14], args[15], args[16];
    rows := counts.count;
    if rows operator(pg_catalog.>) 0 then
        share := counts.passing::double precision operator(pg_catalog./) case
            -- hidden rows cannot be counted, but the share of a search is of all rows
            when pg_catalog.row_security_active(table_name)
            then greatest(mrl._rows(table_name), rows)
            else rows
        end;
    end if;
end
$body$;

-- The text under which a calibration with a filter is stored; "" if it has none.
-- Called by: mrl.calibrate, client/calibration.sql
create or replace function mrl._stored_filter(filter text, args text[], limited boolean)
returns text
language sql
stable
parallel safe
return pg_catalog.concat_ws(
    ' ',
    filter,
    args::pg_catalog.text,
    -- row-level security that is forced on the owner selects rows, as a filter does
    case when filter is null and limited then 'row-level security' end
);
