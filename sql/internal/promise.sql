-- Searches for a recall: which calibration reached it, and a warning if none did.

-- Calibrations that apply to a search: of the same filter, or of filters about as selective.
-- Called by: mrl._promised
create or replace function mrl._measured_for(
    table_id oid,
    index_name name,
    k int,
    -- a filter or a policy lets only some rows through
    filtered boolean,
    -- the estimated share of the table's rows that the filter selects, NULL if unknown
    share float8,
    -- the filter with its values, as mrl.calibrate stores it
    filter text
)
returns setof mrl.calibrations
language sql
stable
parallel safe
begin atomic
    -- once, because the view looks at the table itself
    with enough as materialized (
        select point.*
        from mrl.calibrations as point
        where point.table_id
                operator(pg_catalog.=) _measured_for.table_id::pg_catalog.regclass
            and point.index_name operator(pg_catalog.=) _measured_for.index_name
            and point.k operator(pg_catalog.>=) _measured_for.k
    ),
    known as (
        select enough.*
        from enough
        -- a recall that was measured for more answers also holds for fewer
        join (
            select least.filter, pg_catalog.min(least.k) as k
            from enough as least
            group by least.filter
        ) as nearest
            on nearest.filter operator(pg_catalog.=) enough.filter
            and nearest.k operator(pg_catalog.=) enough.k
    ),
    around as (
        select
            -- The planner estimates shares, so those within a quarter count as the same. If there are
            -- none on one side, half or twice the share will do: mrl._reach_between says for what.
            -- A calibration without a filter counts as the least selective filter.
            coalesce(
                pg_catalog.max(known.share) filter (
                    where known.share operator(pg_catalog.<=) (
                        1.25::pg_catalog.float8 operator(pg_catalog.*) _measured_for.share
                    )
                ),
                pg_catalog.max(known.share) filter (
                    where known.share operator(pg_catalog.<=) (
                        2 operator(pg_catalog.*) _measured_for.share
                    )
                )
            ) as below,
            coalesce(
                pg_catalog.min(known.share) filter (
                    where known.share operator(pg_catalog.>=) (
                        _measured_for.share operator(pg_catalog./) 1.25::pg_catalog.float8
                    )
                ),
                pg_catalog.min(known.share) filter (
                    where known.share operator(pg_catalog.>=) (
                        _measured_for.share operator(pg_catalog./) 2
                    )
                )
            ) as above,
            pg_catalog.bool_or(
                known.filter operator(pg_catalog.=) _measured_for.filter
            ) as own
        from known
    )
    select known.*
    from known
    cross join around
    where case
        when not filtered then known.filter operator(pg_catalog.=) ''
        when around.own then known.filter operator(pg_catalog.=) _measured_for.filter
        when _measured_for.share is null then known.filter operator(pg_catalog.<>) ''
        else around.below is not null
            and around.above is not null
            and known.share operator(pg_catalog.=) any (array[around.below, around.above])
    end;
end;

-- The most recall that may be asked for, by what the queries of a calibration missed.
-- Called by: mrl._promised; mrl_pg.calibration.margin does so in Python
create or replace function mrl._supported(
    -- queries, distances, unlike, outside or rows; NULL counts as rows
    basis text,
    missed float8
)
returns float8
language sql
immutable
parallel safe
-- rows are easier to find than real queries: each is a node of the graph, and has rows like it;
-- docs/measured/recall.md says how these figures were found
return case
    when basis operator(pg_catalog.=) any ('{queries,distances}')
    then 1 operator(pg_catalog.-) missed
    -- it says nothing of real queries
    when basis operator(pg_catalog.=) 'unlike' then null
    else 1 operator(pg_catalog.-) pg_catalog.power(
        -- rounding must not make it negative
        greatest(missed, 0) operator(pg_catalog./) 0.8::pg_catalog.float8,
        1 operator(pg_catalog./) 1.2::pg_catalog.float8
    )
end;

-- How far the k-th row is with a filter that was not measured: 21 quantiles; NULL if nobody knows.
-- Called by: mrl._promised
create or replace function mrl._reach_between(
    -- of each filter that is borrowed from, a search; they have one share or two
    measured mrl.calibrations[],
    share float8
)
returns float8[]
language sql
immutable
parallel safe
begin atomic
    with span as (
        select
            pg_catalog.min(point.share) as least,
            pg_catalog.max(point.share) as most,
            pg_catalog.bool_and(point.reach is not null) as known
        from pg_catalog.unnest(measured) as point
    ),
    edge as (
        select
            point.share,
            quantile.number,
            -- filters as selective as each other: the nearest, so that fewer answers are promised
            pg_catalog.min(quantile.distance) as distance
        from pg_catalog.unnest(measured) as point
        cross join lateral pg_catalog.unnest(point.reach) with ordinality
            as quantile (distance, number)
        group by point.share, quantile.number
    )
    -- The fewer rows pass at random, the farther away is the k-th: by as much for each halving.
    -- A filter that belongs together with the vectors has its answers elsewhere.
    select pg_catalog.array_agg(
        below.distance operator(pg_catalog.+) (
            (above.distance operator(pg_catalog.-) below.distance)
                operator(pg_catalog.*) above_part.weight
        )
        order by below.number
    )
    from span
    cross join lateral (
        select case
            when _reach_between.share operator(pg_catalog.<=) span.least then 0
            when _reach_between.share operator(pg_catalog.>=) span.most then 1
            else (
                pg_catalog.ln(_reach_between.share) operator(pg_catalog.-) pg_catalog.ln(span.least)
            ) operator(pg_catalog./) (
                pg_catalog.ln(span.most) operator(pg_catalog.-) pg_catalog.ln(span.least)
            )
        end as weight
    ) as above_part
    join edge as below on below.share operator(pg_catalog.=) span.least
    join edge as above
        on above.share operator(pg_catalog.=) span.most
        and above.number operator(pg_catalog.=) below.number
    where span.known
        -- where more rows pass, as many candidates find less
        and span.most operator(pg_catalog.>=) (
            _reach_between.share operator(pg_catalog./) 1.25::pg_catalog.float8
        )
    having pg_catalog.count(*) operator(pg_catalog.>) 0;
end;

-- The fastest search that keeps a recall, for answers so far away as were measured.
-- Called by: mrl._promised
create or replace function mrl._steps(
    -- the searches of each calibration that counts, from the fastest on
    points mrl.calibrations[],
    recall float8,
    -- as in mrl._promised
    slack float8,
    -- 21 quantiles of the distance of the k-th row
    reach float8[],
    -- the share of the misses that the mean may have beside the margin; NULL without a margin
    part float8,
    -- for each step: up to which distance of the k-th row, and by which search
    out up_to float8[],
    out candidates int[],
    out ef_search int[],
    -- how many candidates are read, of all; NULL if all are
    out rerank int[],
    -- for each calibration: the place in points of the first step's search
    out places int[]
)
language plpgsql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $body$
declare
    -- Where rows that are so far away missed so many times what may be missed: nearer rows miss
    -- less, and the promise is a mean. docs/measured/recall.md says how these figures were found.
    farthest constant float8 := 1.5;
    -- the first search is for four rows in five
    first_quantile constant int := 17;
    point mrl.calibrations;
    mean float8;
    most float8;
    supports float8;
    -- whether a search of the present calibration keeps the recall
    keeps boolean;
    chosen int[];
    taken int;
    -- the most that was searched of the graph, walked before a choice, and read
    width int := 80;
    walked int;
    reads int;
    last int := 0;
begin
    for quantile in first_quantile .. cardinality(reach) loop
        keeps := true;
        chosen := '{}';
        for place in 1 .. coalesce(cardinality(points), 0) loop
            if place = 1 or points[place].filter <> point.filter then
                exit when not keeps;
                keeps := false;
                most := 0;
            end if;
            point := points[place];
            continue when keeps or point.candidates is null or point.misses is null;
            mean := least(point.recall, point.low + slack);
            if part is not null then
                mean := mrl._supported(point.basis, (1 - mean) / part);
            end if;
            supports := case when mean is not null
                then least(mean, 1 - point.misses[quantile] / farthest)
            end;
            -- what is taken for less counts, too, so that more recall never takes less
            continue when supports is null or supports <= most;
            most := supports;
            -- and what is taken for nearer answers; the graph misses more of real queries than
            -- of rows, if little of it is searched
            walked := greatest(walked, case when point.rerank is not null then point.candidates end);
            -- as many of more candidates are no worse: docs/measured/rerank.md
            reads := greatest(reads, coalesce(point.rerank, point.candidates));
            width := greatest(width, point.ef_search);
            keeps := supports >= recall - 1e-9;
            if keeps then
                chosen := array_append(chosen, place);
            end if;
        end loop;
        exit when not keeps or reads is null;
        taken := case when points[chosen[1]].rerank is null
            then reads
            else greatest(walked, reads)
        end;
        places := coalesce(places, chosen);
        if last = 0 or (candidates[last], ef_search[last], coalesce(rerank[last], taken))
            <> (taken, width, reads)
        then
            last := last + 1;
        end if;
        -- with the errors of single precision
        up_to[last] := reach[quantile] + 1e-5;
        candidates[last] := taken;
        ef_search[last] := width;
        rerank[last] := case when reads < taken then reads end;
    end loop;
end
$body$;

-- The share of single queries that found a recall, and its one-sided lower bound of 95 %.
-- Called by: mrl._promised; mrl_pg.calibration.calibrate does so in Python
create or replace function mrl._found_by(
    -- the recalls that single queries had, and how many queries had each
    shares float8[],
    weights float8[],
    recall float8,
    out part float8,
    out low float8
)
language plpgsql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $body$
declare
    -- quantile of the standard normal distribution
    z constant float8 := 1.644854;
    size float8;
begin
    select
        sum(single.weight),
        -- rounding must not refuse what was measured
        sum(case when single.share >= recall - 1e-9 then single.weight else 0 end)
            / sum(single.weight)
    into size, part
    from unnest(shares, weights) as single (share, weight);
    -- Wilson (1927). It never falls if more queries find the recall.
    low := case when part is not null then greatest(
        0,
        (
            part + z * z / (2 * size)
            - z * sqrt(greatest(0, part * (1 - part)) / size + power(z / (2 * size), 2))
        ) / (1 + z * z / size)
    ) end;
end
$body$;

-- The cheapest search measured to reach a recall, else a safe search; and which of these it is.
-- Called by: mrl._for_recall, client/catalog.sql, client/search.sql
create or replace function mrl._promised(
    table_id oid,
    index_name name,
    k int,
    recall float8,
    filtered boolean,
    -- the share of the table's rows that the filter selects, and the filter with its values
    share float8 default null,
    filter text default null,
    -- the share of single queries that are to find the recall; NULL if only the mean counts
    quantile float8 default null,
    -- whether the caller looks how far away its answer is, and then takes a further step; only
    -- then may the search leave candidates unread
    by_distance boolean default false,
    -- both NULL if exact search keeps the recall and is fastest
    out candidates int,
    out ef_search int,
    -- how many of the candidates are read; NULL if all are
    out rerank int,
    -- measured, corrected, rows, borrowed, stale, unreached or uncalibrated
    out standing text,
    -- of the search that was chosen: mean recall, its lower bound, the 5th percentile, and
    -- how many queries were measured and what they were
    out measured float8,
    out low float8,
    out p05 float8,
    out queries int,
    out basis text,
    -- the share of these queries that found the recall; NULL without a quantile, and if it is
    -- not known
    out found_by float8,
    -- whether it was measured with another filter, or by another role under a policy
    out borrowed boolean,
    -- by distance, if it was measured on rows or with another filter: up to which distance of the
    -- k-th row which search keeps the recall, from the first on; else NULL
    out step_distances float8[],
    out step_candidates int[],
    out step_ef_searches int[],
    out step_reranks int[],
    -- what stands behind the recall, for people
    out words text
)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $body$
#variable_conflict use_column
declare
    -- the lower bound may miss the recall by this: a tighter bound takes thousands of queries
    slack constant float8 := 0.005;
    -- the share of the misses that another filter may have of those that a search may have; see
    -- docs/measured/recall.md
    others constant float8 := 0.5;
    built record;
    counts record;
    known record;
    point mrl.calibrations;
    -- the search of each filter by the index, and whether exact search is to be preferred to it
    chosen mrl.calibrations[] := '{}';
    exact_is_best boolean[] := '{}';
    -- all searches by the index, of one filter after the other, from the fastest on
    points mrl.calibrations[] := '{}';
    reach float8[];
    steps record;
    -- of each filter, the median time of exact search
    exact_times float8[] := '{}';
    -- enough was found with another filter, but its answers may be nearer
    elsewhere boolean := false;
    -- the share of the queries that found the recall by it, and the bound of that share
    found_bys float8[] := '{}';
    found_lows float8[] := '{}';
    found_low float8;
    keeps boolean := false;
    is_first boolean;
    reached int := 0;
    -- the most that was walked before a choice, and read
    walked int;
    reads int;
    exact boolean;
    supported float8;
    change text;
    policed boolean := row_security_active(_promised.table_id);
    filtered boolean := _promised.filtered or policed;
    -- not under a policy, because the filter may select other rows for another role
    own_filter text := case
        when not filtered then ''
        -- a function for other roles, whom a policy limits: no measurement is its own
        when not policed then nullif(_promised.filter, '')
    end;
begin
    if _promised.recall is null or not _promised.recall > 0 or _promised.recall > 1 then
        raise exception 'recall % is not a share above 0, at most 1',
            coalesce(_promised.recall::text, 'NULL')
            using errcode = 'invalid_parameter_value', hint = 'for example recall => 0.99';
    end if;
    built := mrl._built(_promised.table_id, _promised.index_name);
    counts := mrl._counts_in(_promised.table_id, _promised.index_name);
    for known in
        select
            point,
            -- the graph misses more of real queries than of rows, if little of it is searched
            case when point.basis = 'queries' then 1 else 80 end as least_ef_search,
            -- the most that may be asked of this search
            mrl._supported(
                point.basis, (1 - least(point.recall, point.low + slack)) / allowed.part
            ) as supports,
            allowed.part,
            min(case when point.candidates is null then point.median_ms end)
                over (partition by point.filter) as exact_ms
        from mrl._measured_for(
            _promised.table_id,
            _promised.index_name,
            _promised.k,
            filtered,
            _promised.share,
            own_filter
        ) as point
        cross join lateral (
            -- a filter about as selective may let through rows that are farther from the queries
            select case when point.filter is distinct from own_filter then others else 1 end
        ) as allowed (part)
        -- only a search of its own filter: for others, candidates of several searches add up
        where point.rerank is null
            or _promised.by_distance and point.filter is not distinct from own_filter
        order by
            point.filter, point.median_ms, point.candidates, point.ef_search,
            point.rerank nulls first
    loop
        -- for each filter, from the fastest search on
        point := known.point;
        continue when point.candidates is null;
        points := array_append(points, point);
        is_first := point.filter is distinct from chosen[cardinality(chosen)].filter;
        -- a faster search keeps the recall
        continue when keeps and not is_first;
        found_by := null;
        found_low := null;
        -- the first answers of a query may be those that it misses, so single queries say
        -- nothing about fewer answers
        if _promised.quantile is not null and point.k = _promised.k then
            select single.part, single.low
            into found_by, found_low
            from mrl._found_by(point.shares, point.weights, _promised.recall) as single;
        end if;
        if is_first then
            chosen := array_append(chosen, point);
            exact_is_best := array_append(exact_is_best, known.exact_ms is not null);
            exact_times := array_append(exact_times, known.exact_ms);
            found_bys := array_append(found_bys, found_by);
            found_lows := array_append(found_lows, found_low);
            supported := 0;
            keeps := false;
        end if;
        -- what is taken for less counts, too, so that more recall or a higher quantile never
        -- takes less
        if known.supports > supported or _promised.quantile is not null then
            supported := greatest(supported, known.supports);
            walked := greatest(walked, case when point.rerank is not null then point.candidates end);
            -- as many of more candidates are no worse: docs/measured/rerank.md
            reads := greatest(reads, coalesce(point.rerank, point.candidates));
            ef_search := greatest(ef_search, point.ef_search, known.least_ef_search);
        end if;
        -- rounding must not refuse what was measured
        keeps := coalesce(known.supports >= _promised.recall - 1e-9, false)
            and (
                _promised.quantile is null
                or coalesce(
                    mrl._supported(
                        point.basis, (1 - least(found_by, found_low + slack)) / known.part
                    ) >= _promised.quantile - 1e-9,
                    false
                )
            );
        if keeps then
            reached := reached + 1;
            chosen[cardinality(chosen)] := point;
            found_bys[cardinality(chosen)] := found_by;
            found_lows[cardinality(chosen)] := found_low;
            exact_is_best[cardinality(chosen)] := coalesce(
                known.exact_ms <= point.median_ms, false
            );
        -- not the bound, which is far below the mean if every query found everything
        elsif (
            least(point.recall, _promised.recall),
            coalesce(found_by, 0),
            point.recall
        ) > (
            least(chosen[cardinality(chosen)].recall, _promised.recall),
            coalesce(found_bys[cardinality(chosen)], 0),
            chosen[cardinality(chosen)].recall
        ) then
            chosen[cardinality(chosen)] := point;
            found_bys[cardinality(chosen)] := found_by;
            found_lows[cardinality(chosen)] := found_low;
        end if;
    end loop;
    borrowed := cardinality(chosen) > 0 and chosen[1].filter is distinct from own_filter;
    if _promised.by_distance and _promised.quantile is null
        -- the answers of a larger k are farther away
        and not exists (
            select from unnest(chosen) as of_filter where of_filter.k <> _promised.k
        )
    then
        reach := case
            when borrowed then mrl._reach_between(chosen, _promised.share)
            when chosen[1].basis in ('rows', 'outside') then chosen[1].reach
        end;
    end if;
    if reach is not null then
        steps := mrl._steps(
            points,
            _promised.recall,
            slack,
            reach,
            case
                when borrowed then others
                -- queries may be farther from what passes than these rows are
                when chosen[1].basis = 'outside' then 1
            end
        );
        if steps.up_to is not null then
            reached := cardinality(chosen);
            chosen := array(
                select points[place]
                from unnest(steps.places) with ordinality as first (place, number)
                order by first.number
            );
            exact_is_best := array(
                select coalesce(exact_times[number] <= chosen[number].median_ms, false)
                from generate_subscripts(chosen, 1) as number
                order by number
            );
            walked := steps.candidates[1];
            reads := coalesce(steps.rerank[1], walked);
            ef_search := steps.ef_search[1];
            step_distances := steps.up_to;
            step_candidates := steps.candidates;
            step_ef_searches := steps.ef_search;
            step_reranks := steps.rerank;
        end if;
    end if;
    -- a filter may belong together with the vectors, which shows in how far away answers are
    if borrowed and step_distances is null then
        elsewhere := reach is null and reached = cardinality(chosen);
        reached := 0;
    end if;
    walked := greatest(
        walked,
        (
            select max(of_filter.candidates)
            from unnest(chosen) as of_filter
            where of_filter.rerank is not null
        )
    );
    select
        greatest(reads, max(coalesce(of_filter.rerank, of_filter.candidates))),
        greatest(_promised.ef_search, max(of_filter.ef_search)),
        min(of_filter.recall),
        min(of_filter.low),
        min(of_filter.p05),
        min(of_filter.queries),
        case
            when bool_and(of_filter.basis is not distinct from 'queries') then 'queries'
            when bool_or(of_filter.basis = 'unlike') then 'unlike'
            when bool_or(of_filter.basis = 'outside') then 'outside'
            when bool_and(coalesce(of_filter.basis <> 'rows', false)) then 'distances'
            else 'rows'
        end,
        max(
            mrl._change(
                of_filter, built.m, built.ef_construction, counts.rows, counts.unsure,
                counts.changes
            )
        )
    into reads, ef_search, measured, low, p05, queries, basis, change
    from unnest(chosen) as of_filter;
    candidates := reads;
    if chosen[1].rerank is not null and walked > reads then
        candidates := walked;
        rerank := reads;
    end if;
    -- not known, if it is not known of one of them
    if array_position(found_bys, null) is not null then
        found_bys := '{}';
    end if;
    found_by := (select min(share) from unnest(found_bys) as share);
    found_low := (select min(share) from unnest(found_lows) as share);
    -- rows are at other distances than real queries from the beginning
    if change is null and not filtered and basis in ('queries', 'distances')
        and mrl._drifted(_promised.table_id, _promised.index_name, chosen[1].k)
    then
        change := 'answers are at other distances than at the calibration';
    end if;
    -- where nobody knows how many rows pass, it may have to look at nearly all of them
    exact := cardinality(chosen) > 0
        and change is null
        and true = all (exact_is_best)
        and (not borrowed or _promised.share is not null);
    standing := case
        when cardinality(chosen) = 0 then 'uncalibrated'
        when change is not null then 'stale'
        -- it finds everything, whatever was measured
        when exact then 'measured'
        when reached < cardinality(chosen) then 'unreached'
        when borrowed then 'borrowed'
        when basis = 'queries' then 'measured'
        when basis = 'distances' then 'corrected'
        else 'rows'
    end;
    if exact or standing = 'stale' then
        step_distances := null;
        step_candidates := null;
        step_ef_searches := null;
        step_reranks := null;
    end if;
    if exact then
        candidates := null;
        ef_search := null;
        rerank := null;
        measured := 1;
        low := 1;
        p05 := 1;
        found_by := case when quantile is not null then 1 end;
        borrowed := false;
        words := 'exact search, which finds everything; no faster search keeps the recall';
        return;
    elsif standing not in ('uncalibrated', 'stale') then
        words := mrl._promise_in_words(
            standing, borrowed, _promised.recall, measured, low, p05, queries, basis, quantile,
            found_by, found_low, elsewhere
        );
        return;
    end if;
    borrowed := false;
    rerank := null;
    measured := null;
    low := null;
    p05 := null;
    queries := null;
    basis := null;
    found_by := null;
    -- more than embeddings of sentences with 1536 dimensions needed; see docs/recall.md
    candidates := least(
        mrl._default_candidates(_promised.k) * case
            when _promised.recall <= 0.95 and quantile is null then 1
            when _promised.recall <= 0.95 or _promised.recall <= 0.99 and quantile is null then 3
            else 8
        end,
        1000000000
    );
    ef_search := least(candidates, 1000);
    words := case
        when change is not null then change
        when filtered
        then format('there is no calibration for k %s with a filter like this', k)
        else format('there is no calibration for k %s', k)
    end;
end
$body$;
