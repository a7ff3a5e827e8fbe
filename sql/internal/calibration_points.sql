-- From what queries found to the searches that a calibration stores.

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

-- What queries missed at some distances of the k-th row: means that rise with the distance.
-- Called by: mrl._points
create or replace function mrl._rising_misses(
    -- of each query
    distances float8[],
    missed float8[],
    weights float8[],
    -- ascending
    asked float8[]
)
returns float8[]
language plpgsql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $body$
declare
    -- Groups of queries by distance. Neighbours are pooled until their means rise: isotonic
    -- regression by pool adjacent violators (Ayer and others, 1955). Fewer queries than these
    -- say little by themselves.
    least_size constant float8 := 5;
    means float8[] := '{}';
    sizes float8[] := '{}';
    ends float8[] := '{}';
    top int := 0;
    mean float8;
    size float8;
    query record;
    place int := 1;
    answer float8[] := '{}';
begin
    -- most often nothing was missed, and then nothing is pooled
    if 0 = all (missed) and cardinality(missed) > 0 and cardinality(asked) > 0 then
        return array_fill(0::float8, array[cardinality(asked)]);
    end if;
    for query in
        select far.distance, sum(far.missed * far.weight) / sum(far.weight) as missed,
            sum(far.weight) as weight
        from unnest(distances, missed, weights) as far (distance, missed, weight)
        group by far.distance
        order by far.distance
    loop
        mean := query.missed;
        size := query.weight;
        for pooled in reverse top .. 1 loop
            exit when means[pooled] < mean and sizes[pooled] >= least_size;
            mean := (mean * size + means[pooled] * sizes[pooled]) / (size + sizes[pooled]);
            size := size + sizes[pooled];
            top := pooled - 1;
        end loop;
        top := top + 1;
        means[top] := mean;
        sizes[top] := size;
        ends[top] := query.distance;
    end loop;
    if top > 1 and sizes[top] < least_size then
        means[top - 1] := (means[top] * sizes[top] + means[top - 1] * sizes[top - 1])
            / (sizes[top] + sizes[top - 1]);
        top := top - 1;
    end if;
    for number in 1 .. coalesce(cardinality(asked), 0) loop
        for further in place .. top loop
            place := further;
            exit when ends[place] >= asked[number];
        end loop;
        answer[number] := means[place];
    end loop;
    return nullif(answer, '{}');
end
$body$;

-- Recall and time for each number of candidates up to the number of a timed search.
-- Called by: mrl.calibrate, client/calibration.sql
create or replace function mrl._points(
    k int,
    candidates int,
    ef_search int,
    -- for each query: positions of near candidates as a JSON array, the distance of the k-th row,
    -- how many rows to find, what the query counts, and whether it is a row that the filter turns
    -- away
    near jsonb[],
    edges float8[],
    totals int[],
    weights float8[],
    outside boolean[],
    -- for each timed query: milliseconds with k and with all candidates re-ranked
    shortest float8[],
    longest float8[],
    -- places of the near rows in the order of mrl._estimated_order; and milliseconds of searches
    -- that read the best k and all candidates in that order; NULL where no search does
    orders jsonb[],
    best_shortest float8[],
    best_longest float8[]
)
returns jsonb
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $body$
declare
    reach float8[] := mrl._reach(k, edges, totals, weights);
begin
    return (
        with setting as (
            select level, null::int as rerank
            from mrl._levels(_points.k) as level
            where level <= _points.candidates
                -- ef_search is the same for all that are above it, which were measured before
                and (level = _points.candidates or _points.candidates <= _points.ef_search)
            union all
            -- how many of all candidates are read, up to a number that loses nothing
            select _points.candidates, rerank
            from mrl._levels(_points.k) as rerank
            where rerank < _points.candidates
                and rerank <= (
                    select min(enough)
                    from mrl._levels(_points.k) as enough
                    where enough >= (
                        select max(place::int)
                        from unnest(orders) as query (places)
                        cross join lateral jsonb_array_elements(query.places) as place
                    )
                )
        ),
        found as (
            select
                level,
                rerank,
                query.number,
                query.weight,
                query.turned_away,
                query.edge - 1e-5 as distance,
                query.total,
                least(
                    (
                        select count(*)
                        from rows from (
                            jsonb_array_elements(query.near), jsonb_array_elements(query.orders)
                        ) as hit (place, best_place)
                        where hit.place::int <= level
                            and (rerank is null or hit.best_place::int <= rerank)
                    ),
                    query.total
                )::float8 / query.total as recall
            from unnest(near, edges, totals, weights, outside, orders) with ordinality
                as query (near, edge, total, weight, turned_away, orders, number)
            cross join setting
            where query.total > 0
        ),
        tally as (
            select
                level,
                rerank,
                part.name,
                number,
                recall,
                -- the effective number of queries together (Kish, 1965)
                weight * sum(weight) over alike / sum(weight * weight) over alike as weight
            from found
            join (values ('all'), ('passing'), ('away')) as part (name)
                on part.name = 'all'
                or true = any (outside)
                and part.name = case when turned_away then 'away' else 'passing' end
            window alike as (partition by level, rerank, part.name)
        ),
        mean as (
            select
                level,
                rerank,
                name,
                sum(recall * weight) / sum(weight) as recall,
                mrl._lower_bound(
                    array_agg(recall order by number),
                    array_agg(weight order by number),
                    1.644854
                ) as low
            from tally
            group by level, rerank, name
        ),
        -- of the groups that are compared with each other
        wide as (
            select
                level,
                rerank,
                name,
                mrl._interval(
                    array_agg(recall order by number),
                    array_agg(weight order by number),
                    -- two of these are apart by chance once in a thousand times
                    2.326
                ) as interval
            from tally
            where name <> 'all'
            group by level, rerank, name
        ),
        single as (
            select
                level,
                rerank,
                name,
                array_agg(recall order by recall) as shares,
                array_agg(weight order by recall) as weights
            from (
                select level, rerank, name, recall, sum(weight) as weight
                from tally
                group by level, rerank, name, recall
            ) as alike
            group by level, rerank, name
        ),
        far as (
            select
                level,
                rerank,
                mrl._rising_misses(
                    array_agg(distance), array_agg(1 - recall), array_agg(weight), reach
                ) as misses
            from found
            where total = _points.k
            group by level, rerank
        ),
        times as (
            select
                percentile_cont(array[0.5, 0.95]) within group (order by few) as few,
                percentile_cont(array[0.5, 0.95]) within group (order by all_of_them) as all_of_them,
                false as is_best
            from unnest(shortest, longest) as took (few, all_of_them)
            union all
            select
                percentile_cont(array[0.5, 0.95]) within group (order by few),
                percentile_cont(array[0.5, 0.95]) within group (order by all_of_them),
                true
            from unnest(best_shortest, best_longest) as took (few, all_of_them)
        )
        select jsonb_agg(
            jsonb_build_object(
                'candidates', mean.level,
                'ef_search', _points.ef_search,
                'rerank', mean.rerank,
                -- all, passing or away
                'group', mean.name,
                'recall', mean.recall,
                -- rounding must not put the bound above the mean
                'low', least(mean.recall, mean.low),
                'wide_low', (wide.interval).low,
                'wide_high', (wide.interval).high,
                'p05', (mrl._quantiles(single.shares, single.weights, array[0.05]))[1],
                'shares', single.shares,
                'weights', single.weights,
                'misses', far.misses,
                -- re-ranking takes the same time for each candidate
                'median_ms', fewest.ms[1]
                    + step.of_all * (times.all_of_them[1] - fewest.ms[1]),
                'p95_ms', fewest.ms[2] + step.of_all * (times.all_of_them[2] - fewest.ms[2])
            )
        )
        from mean
        join single
            on single.level = mean.level
            and single.rerank is not distinct from mean.rerank
            and single.name = mean.name
        left join wide
            on wide.level = mean.level
            and wide.rerank is not distinct from mean.rerank
            and wide.name = mean.name
        left join far
            on far.level = mean.level
            and far.rerank is not distinct from mean.rerank
        join times on times.is_best = (mean.rerank is not null)
        cross join lateral (
            select (coalesce(mean.rerank, mean.level) - _points.k)::float8
                / greatest(_points.candidates - _points.k, 1)
        ) as step (of_all)
        cross join lateral (
            -- if fewer took longer, that was noise; searches of more than 1000 were not repeated
            select array[
                least(times.few[1], times.all_of_them[1]),
                least(times.few[2], times.all_of_them[2])
            ]
        ) as fewest (ms)
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
    -- what the queries were: queries, distances, unlike or rows
    basis text default null,
    -- 21 quantiles of the exact distance of the k-th row
    reach float8[] default null,
    -- how many of the queries are rows that the filter turns away
    outsiders int default 0
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
    -- of whose index it is; NULL if the index is of all rows
    own record;
    -- the queries whose figures are stored: rows that the filter turns away, if they find less
    -- than those that it lets through
    measured text := 'all';
begin
    perform mrl.check_owner(_keep_calibration.table_id);
    built := mrl._built(_keep_calibration.table_id, _keep_calibration.index_name);
    counts := mrl._counts_in(_keep_calibration.table_id, _keep_calibration.index_name);
    -- so that other sessions soon see the changes that this one has counted
    reports := pg_stat_force_next_flush()::text;
    -- with any number of candidates
    if exists (
        select
        from jsonb_array_elements(points) as away
        join jsonb_array_elements(points) as passing
            on away -> 'candidates' = passing -> 'candidates'
            and away -> 'ef_search' = passing -> 'ef_search'
            and away -> 'rerank' = passing -> 'rerank'
        where away ->> 'group' = 'away'
            and passing ->> 'group' = 'passing'
            and (away ->> 'wide_high')::float8 < (passing ->> 'wide_low')::float8
    ) then
        measured := 'away';
        basis := 'outside';
    end if;
    insert into mrl._claims (table_id)
    values (_keep_calibration.table_id)
    returning _claims.entry into claimed;
    select made.full_column, made.tenant
    into own
    from mrl._own_tenant_indexes as made
    where made.entry = claimed
        and made.index_name = _keep_calibration.index_name
    for update;
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
    with timed as (
        -- Walks of more than 1000 have the same settings for fewer candidates. Where rows changed
        -- between two of them, the lower recall counts.
        select distinct on (point.candidates, point.ef_search, point.rerank) *
        from jsonb_to_recordset(points) as point (
            candidates int, ef_search int, rerank int, recall float8, low float8,
            median_ms float8, p95_ms float8, p05 float8, shares float8[], weights float8[],
            misses float8[], "group" text
        )
        -- exact search is the same for all
        where point."group" is null
            or point."group" = measured
        order by
            point.candidates, point.ef_search, point.rerank, point.recall, point.low,
            point.median_ms
    ),
    point as (
        -- A search takes no longer than one that does more. If it was measured to, that was
        -- noise, which would make the wider search the fastest for any recall.
        select
            timed.candidates,
            timed.ef_search,
            timed.rerank,
            timed.recall,
            timed.low,
            timed.p05,
            timed.shares,
            timed.weights,
            timed.misses,
            min(wider.median_ms) as median_ms,
            min(wider.p95_ms) as p95_ms
        from timed
        join timed as wider
            on wider.candidates >= timed.candidates and wider.ef_search >= timed.ef_search
            -- where full vectors are in the row, to choose some takes longer than to read all
            and (wider.rerank >= timed.rerank or num_nulls(wider.rerank, timed.rerank) = 2)
            -- exact search
            or num_nulls(wider.candidates, timed.candidates) = 2
        group by
            timed.candidates, timed.ef_search, timed.rerank, timed.recall, timed.low,
            timed.p05, timed.shares, timed.weights, timed.misses
    ),
    kept as (
        select
            claimed as entry,
            _keep_calibration.index_name as index_name,
            _keep_calibration.k as k,
            _keep_calibration.filter as filter,
            point.candidates,
            point.ef_search,
            point.rerank,
            _keep_calibration.share as share,
            point.recall,
            point.low,
            point.median_ms,
            point.p95_ms,
            case when measured = 'away' then outsiders else queries end as queries,
            coalesce(counts.rows::bigint, _keep_calibration.rows) as rows,
            built.m as m,
            built.ef_construction as ef_construction,
            _keep_calibration.basis as basis,
            point.p05,
            point.shares,
            point.weights,
            _keep_calibration.reach as reach,
            point.misses,
            counts.changes as changes,
            (select live.born from mrl._live_tables as live where live.entry = claimed) as born
        from point
        where not exists (
            select
            from point as better
            -- exact search may be fastest with one filter, and the index with another
            where better.candidates is not null
                -- not every search can leave candidates unread
                and (better.rerank is null or point.rerank is not null)
                and better.recall >= point.recall
                and better.low >= point.low
                and mrl._finds_as_much(
                    better.shares, better.weights, point.shares, point.weights
                )
                and not exists (
                    select
                    from unnest(better.misses, point.misses) as far (missed, other_missed)
                    where far.missed > far.other_missed
                )
                and (
                    better.median_ms,
                    better.candidates,
                    better.ef_search,
                    coalesce(better.rerank, 0)
                ) < (
                    point.median_ms, point.candidates, point.ef_search, coalesce(point.rerank, 0)
                )
        )
    ),
    stored as (
        insert into mrl._own_calibrations (
            entry, index_name, k, filter, candidates, ef_search, rerank, share,
            recall, low, median_ms, p95_ms, queries, rows, m, ef_construction,
            basis, p05, shares, weights, reach, misses, changes, born
        )
        select
            kept.entry, kept.index_name, kept.k, kept.filter, kept.candidates, kept.ef_search,
            kept.rerank, kept.share, kept.recall, kept.low, kept.median_ms, kept.p95_ms,
            kept.queries, kept.rows, kept.m, kept.ef_construction, kept.basis, kept.p05,
            kept.shares, kept.weights, kept.reach, kept.misses, kept.changes, kept.born
        from kept
        where own.tenant is null
    ),
    stored_of_tenant as (
        insert into mrl._own_tenant_calibrations (
            full_column, tenant, entry, index_name, k, filter, candidates, ef_search, rerank,
            share, recall, low, median_ms, p95_ms, queries, rows, m, ef_construction,
            basis, p05, shares, weights, reach, misses, changes, born
        )
        select
            own.full_column, own.tenant, kept.entry, kept.index_name, kept.k, kept.filter,
            kept.candidates, kept.ef_search, kept.rerank, kept.share, kept.recall, kept.low,
            kept.median_ms, kept.p95_ms, kept.queries, kept.rows, kept.m, kept.ef_construction,
            kept.basis, kept.p05, kept.shares, kept.weights, kept.reach, kept.misses,
            kept.changes, kept.born
        from kept
        where own.tenant is not null
    )
    select
        _keep_calibration.table_id,
        kept.index_name,
        kept.k,
        kept.filter,
        kept.candidates,
        kept.ef_search,
        kept.rerank,
        kept.share,
        kept.recall,
        kept.low,
        kept.median_ms,
        kept.p95_ms,
        kept.queries,
        kept.rows,
        kept.m,
        kept.ef_construction,
        now(),
        kept.basis,
        kept.p05,
        kept.shares,
        kept.weights,
        kept.reach,
        kept.misses,
        kept.changes,
        kept.born
    from kept
    order by kept.median_ms;
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
