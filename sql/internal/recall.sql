-- Measures the recall of searches, and stores the results.

-- The lower bound of a mean recall. It never falls if a query finds more.
-- Called by: mrl._interval, mrl._points; mrl_pg.recall.score does so in Python
create or replace function mrl._lower_bound(
    -- the recall of each query, and what each query counts
    recalls float8[],
    weights float8[],
    -- quantile of the standard normal distribution
    z float8
)
returns float8
language plpgsql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $body$
declare
    -- part of a query that finds nothing, beside those that were measured. With it, the bound
    -- of recalls of 0 and 1 is that of Clopper and Pearson (1934)
    failed constant float8 := 0.65;
    steps constant int := 44;
    -- what all queries count together: the effective number of queries (Kish, 1965)
    size float8;
    total float8;
    shares float8[];
    sizes float8[];
    least float8 := -40;
    most float8 := 60;
    tilt float8;
    part float8;
    ratio float8;
begin
    select power(sum(weight), 2) / sum(weight * weight), sum(weight)
    into size, total
    from unnest(weights) as weight;
    -- in order, because the last digit of a sum depends on it
    select array_agg(recall order by recall), array_agg(of_recall order by recall)
    into shares, sizes
    from (
        select recall, sum(weight) * size / total as of_recall
        from unnest(recalls, weights) as query (recall, weight)
        group by recall
        having sum(weight) > 0
    ) as tally;
    if not coalesce(0 < any (shares), false) then
        return case when size > 0 then 0 end;
    end if;
    -- The least mean of all distributions that the empirical likelihood ratio (Owen, 1988) does
    -- not refuse. They give a recall less weight the higher it is.
    for step in 1 .. steps loop
        tilt := exp((least + most) / 2);
        if cardinality(shares) = 1 then
            -- most often all queries find the same, and a query takes ten times as long as this
            part := sizes[1] / (1 + tilt * shares[1]) + failed;
            ratio := sizes[1] * ln(1 + tilt * shares[1]);
        else
            select
                sum(tally.size / (1 + tilt * share)) + failed,
                sum(tally.size * ln(1 + tilt * share))
            into part, ratio
            from unnest(shares, sizes) as tally (share, size);
        end if;
        ratio := ratio + (size + failed) * ln(part / (size + failed));
        if ratio < z * z / 2 then
            least := (least + most) / 2;
        else
            most := (least + most) / 2;
        end if;
    end loop;
    return (
        select sum(tally.size * share / (1 + tilt * share)) / part
        from unnest(shares, sizes) as tally (share, size)
    );
end
$body$;

-- Mean recall with a 95 % interval. Neither end falls if a query finds more.
-- Called by: mrl._recall_and_losses, mrl._points; mrl_pg.recall.score does so in Python
create or replace function mrl._interval(
    recalls float8[],
    -- what each query counts; by default all count the same
    weights float8[] default null,
    -- quantile of the standard normal distribution; the default gives a two-sided interval
    z float8 default 1.959964,
    out mean float8,
    out low float8,
    out high float8
)
language plpgsql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $body$
begin
    weights := coalesce(weights, array_fill(1::float8, array[cardinality(recalls)]));
    select sum(recall * weight) / sum(weight)
    into mean
    from unnest(recalls, weights) as query (recall, weight);
    -- rounding must not put the mean outside the interval
    low := least(mean, mrl._lower_bound(recalls, weights, z));
    high := greatest(
        mean,
        1 - mrl._lower_bound(
            array(
                select 1 - recall
                from unnest(recalls) with ordinality as query (recall, number)
                order by number
            ),
            weights,
            z
        )
    );
end
$body$;

-- 1 minus the mean of some shares.
-- Called by: mrl._recall_and_losses
create or replace function mrl._loss(shares float8[])
returns float8
language sql
immutable
parallel safe
return (
    select 1 operator(pg_catalog.-) pg_catalog.avg(share)
    from pg_catalog.unnest(shares) as share
);

-- Recall with a 95 % interval, and what lost the rest, from the shares of each query.
-- Called by: mrl._measure, client/calibration.sql
create or replace function mrl._recall_and_losses(
    -- shares of the true k nearest rows: found by the search, by an exact shortlist,
    recalls float8[],
    shortlists float8[],
    -- and by short vectors that are not re-ranked
    prefixes float8[],
    out recall float8,
    out low float8,
    out high float8,
    out loss_graph float8,
    out loss_shortlist float8,
    out loss_prefix float8,
    out measured int
)
language sql
immutable
parallel safe
begin atomic
    select
        interval.mean,
        interval.low,
        interval.high,
        -- below 0 if the graph by luck finds rows that an exact shortlist leaves out
        mrl._loss(recalls) operator(pg_catalog.-) mrl._loss(shortlists),
        mrl._loss(shortlists),
        mrl._loss(prefixes),
        pg_catalog.cardinality(recalls)
    from mrl._interval(recalls) as interval;
end;

-- The queries of a measurement: each vector and, if it is a row, its table and ctid.
-- Called by: mrl._measure, mrl.calibrate, client/calibration.sql
create or replace function mrl._draw_queries(
    -- as mrl._plan_recall or mrl._plan_calibration makes it
    sampling text,
    args text[],
    queries vector[],
    out fulls vector[],
    out parts oid[],
    out spots tid[],
    -- whether the filter turns the row away
    out outside boolean[]
)
language plpgsql
volatile
parallel unsafe
as $body$
-- no search_path of its own, so that PostgreSQL looks up the filter's names as the caller does
#variable_conflict use_variable
declare
    query_row pg_catalog.record;
begin
    for query_row in execute sampling
        using args[1], args[2], args[3], args[4], args[5], args[6], args[7], args[8],
            args[9], args[10], args[11], args[12], args[13], args[14], args[15],
            args[16], queries
    loop
        fulls := pg_catalog.array_append(fulls, query_row.mrl_full);
        parts := pg_catalog.array_append(parts, query_row.mrl_part);
        spots := pg_catalog.array_append(spots, query_row.mrl_place);
        outside := pg_catalog.array_append(outside, query_row.mrl_outside);
    end loop;
end
$body$;

-- Shares of the true k nearest rows that each pass finds for one query; NULL if there are none.
-- Called by: mrl._measure, client/calibration.sql
create or replace function mrl._query_shares(
    -- as mrl._plan_recall makes them
    statement text,
    settings text[],
    args text[],
    full_value vector,
    part oid,
    spot tid,
    -- which parts are searched; NULL: all
    probed jsonb,
    out graph float8,
    out shortlist float8,
    out prefix float8
)
language plpgsql
volatile
parallel unsafe
as $body$
-- no search_path of its own, so that PostgreSQL looks up the filter's names as the caller does
#variable_conflict use_variable
declare
    counts pg_catalog.record;
    before pg_catalog.text[];
    replaced pg_catalog.text[];
begin
    -- the settings hold for this statement alone
    before := mrl._enter(settings);
    execute statement into counts
        using args[1], args[2], args[3], args[4], args[5], args[6], args[7], args[8],
            args[9], args[10], args[11], args[12], args[13], args[14], args[15],
            args[16], full_value, part, spot, mrl._probed_parts(probed, full_value);
    replaced := mrl._enter(before);
    if counts.k operator(pg_catalog.>) 0 then
        graph := counts.graph::double precision operator(pg_catalog./) counts.k;
        shortlist := counts.shortlist::double precision operator(pg_catalog./) counts.k;
        prefix := counts.prefix::double precision operator(pg_catalog./) counts.k;
    end if;
end
$body$;

-- A condition that excludes the row that serves as the query, if rows of the table are queries.
-- Called by: mrl._plan_calibration, mrl._plan_recall
create or replace function mrl._not_itself(
    sampled boolean, parts boolean, part text, place text
)
returns text
language sql
immutable
parallel safe
return case when sampled
    then pg_catalog.concat(
        'not (mrl_place operator(pg_catalog.=) ',
        place,
        case when parts then ' and mrl_part operator(pg_catalog.=) ' end,
        case when parts then part end,
        ')'
    )
    else 'true'
end;

-- The statements of a measurement of recall, and its settings.
-- Called by: mrl._measure, client/calibration.sql
create or replace function mrl._plan_recall(
    -- the search that is measured, as mrl._plan takes it
    asked jsonb,
    sample int,
    queries vector[],
    out index_name name,
    out candidates int,
    out ef_search int,
    out rerank int,
    out sampling text,
    out statement text,
    out settings text[],
    -- as mrl._probed_parts takes it
    out probed jsonb
)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $body$
declare
    given record;
    slots jsonb;
    within text := mrl._within_parts(asked, null);
    limited boolean;
    effort record;
    -- conditions of rows to be searched: by any index, and by the short one
    condition text;
    condition_of_pass text;
    -- a sampled row is its own nearest row, so a search takes one more and leaves itself out
    spare int := case when queries is null then 1 else 0 end;
    query text;
begin
    select *
    into given
    from jsonb_to_record(asked) as given (
        table_id oid, full_column name, k int, filter text, args text[], dims int, kind text,
        index_name name, ef_search int
    );
    perform mrl._refuse_spread(
        given.table_id, 'measure a sample of its rows in a local table: see docs/citus.md'
    );
    if asked ->> 'tenant' is not null then
        asked := mrl._of_tenant_with_index(asked);
        slots := asked -> 'tenant_slots';
        condition := mrl._condition(asked ->> 'exact_filter');
        condition_of_pass := mrl._condition(asked ->> 'filter');
    else
        slots := mrl._found(
            given.table_id, given.full_column, given.dims, given.kind, given.index_name
        );
        condition := mrl._condition(given.filter);
        condition_of_pass := condition;
    end if;
    limited := condition <> '' or within <> '' or row_security_active(given.table_id);
    if within <> '' then
        probed := to_jsonb(mrl._parts_of(given.table_id, given.full_column))
            || jsonb_build_object('full_column', given.full_column, 'probes', asked -> 'probes');
    end if;
    perform mrl._check_rerank(asked, given.kind);
    effort := mrl._effort(asked, limited);
    query := format('$17::%s', slots ->> 'type');
    if sample is null or sample < 1 then
        raise exception 'sample % is below 1', coalesce(sample::text, 'NULL')
            using errcode = 'invalid_parameter_value', hint = 'give a number of queries';
    end if;
    perform mrl._check_filter(given.filter, cardinality(given.args));
    perform mrl._check_queries(queries, slots);
    index_name := slots ->> 'index_name';
    candidates := effort.candidates;
    ef_search := coalesce(given.ef_search, least(candidates, 1000));
    effort := mrl._effort(
        asked || jsonb_build_object(
            'k', given.k + spare,
            'candidates', candidates + spare,
            'rerank', effort.rerank + spare,
            'ef_search', least(greatest(ef_search, candidates + spare), 1000)
        ),
        limited
    );
    settings := effort.settings;
    slots := mrl._reranked(slots, effort.rerank);
    rerank := (slots ->> 'rerank')::int - spare;
    slots := slots || jsonb_build_object(
        'filter', condition,
        'within', within,
        'query', query,
        'short_query', mrl._short_of(query, slots),
        'value', slots ->> 'full',
        'gate', 'true',
        'extra', '',
        'key_names', slots ->> 'names',
        'candidates', effort.candidates,
        'k', given.k + spare,
        'sample', sample,
        'queries', '$17',
        'other', mrl._not_itself(
            queries is null, (slots ->> 'parts')::boolean, '$18', '$19'
        )
    );
    sampling := mrl._render(
        case when queries is null then mrl._sample() else mrl._given() end, slots
    );
    statement := mrl._render(
        mrl._misses(),
        slots || jsonb_build_object(
            'exact', mrl._render(mrl._exact(), slots),
            'passes', mrl._passes(
                slots || jsonb_build_object('filter', condition_of_pass), query, false
            )
        )
    );
end
$body$;

-- Which graph an index has: another one after each build. NULL without the index.
-- Called by: mrl._keep_measurement, mrl._upkeep_of
create or replace function mrl._graph_mark(table_id oid, index_name name)
returns text
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $body$
begin
    return (
        -- a partitioned index has a graph for each partition
        select string_agg(pg_relation_filenode(part.oid)::text, ' ' order by part.oid)
        from pg_index as state
        join pg_class as class on class.oid = state.indexrelid
        cross join lateral (
            select class.oid
            union
            select tree.relid
            from pg_partition_tree(class.oid) as tree
        ) as part
        where state.indrelid = _graph_mark.table_id
            and class.relname = _graph_mark.index_name
    );
end
$body$;

-- Stores a recall of searches of one tenant beside the tenant's index.
-- Called by: mrl._measure, client/calibration.sql
create or replace function mrl._keep_tenant_recall(
    table_id oid,
    full_column name,
    -- the key as text
    tenant text,
    k int,
    recall float8,
    low float8,
    queries int
)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $body$
declare
    own record;
    claimed int;
begin
    perform mrl.check_owner(table_id);
    own := mrl._tenant(table_id, full_column, tenant);
    insert into mrl._claims (table_id)
    values (_keep_tenant_recall.table_id)
    returning _claims.entry into claimed;
    update mrl._own_tenant_indexes as made
    set recall = _keep_tenant_recall.recall,
        k = _keep_tenant_recall.k,
        low = _keep_tenant_recall.low,
        queries = _keep_tenant_recall.queries,
        measured_at = now()
    where made.entry = claimed
        and made.full_column = _keep_tenant_recall.full_column
        and made.tenant = own.key_text;
end
$body$;

-- Stores a recall that was measured.
-- Called by: mrl._measure, client/calibration.sql
create or replace function mrl._keep_measurement(measurement mrl.measurements)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $body$
declare
    claimed int;
begin
    perform mrl.check_owner(measurement.table_id);
    insert into mrl._claims (table_id)
    values (measurement.table_id)
    returning _claims.entry into claimed;
    insert into mrl._own_measurements (
        entry, index_name, measured_at, k, filter, candidates, ef_search, rerank, recall,
        low, high, loss_graph, loss_shortlist, loss_prefix, queries, changes, graph
    )
    values (
        claimed,
        measurement.index_name,
        measurement.measured_at,
        measurement.k,
        measurement.filter,
        measurement.candidates,
        measurement.ef_search,
        measurement.rerank,
        measurement.recall,
        measurement.low,
        measurement.high,
        measurement.loss_graph,
        measurement.loss_shortlist,
        measurement.loss_prefix,
        measurement.queries,
        (mrl._counts(measurement.table_id)).changes,
        mrl._graph_mark(measurement.table_id, measurement.index_name)
    );
end
$body$;

-- Measures the recall of a search, and stores it if keep is true.
-- Called by: mrl.recall, client/calibration.sql
create or replace function mrl._measure(
    -- the search that is measured, as mrl._plan takes it
    asked jsonb,
    sample int,
    queries vector[],
    keep boolean,
    out recall double precision,
    out low double precision,
    out high double precision,
    out loss_graph double precision,
    out loss_shortlist double precision,
    out loss_prefix double precision,
    out measured int
)
language plpgsql
volatile
parallel unsafe
as $body$
-- no search_path of its own, so that PostgreSQL looks up the filter's names as the caller does
#variable_conflict use_variable
declare
    table_name pg_catalog.regclass := (asked operator(pg_catalog.->>) 'table_id')::pg_catalog.oid;
    filter pg_catalog.text := asked operator(pg_catalog.->>) 'filter';
    args pg_catalog.text[] := mrl._args(asked);
    plan pg_catalog.record;
    drawn pg_catalog.record;
    shares pg_catalog.record;
    recalls double precision[] := '{}';
    shortlists double precision[] := '{}';
    prefixes double precision[] := '{}';
    last_notice pg_catalog.timestamptz := pg_catalog.clock_timestamp();
begin
    if keep then
        perform mrl._refuse_probes_kept(asked);
        perform mrl.check_owner(table_name);
        perform mrl._check_writable();
    end if;
    queries := mrl._all_rotated(
        queries, table_name::pg_catalog.oid, asked operator(pg_catalog.->>) 'full_column'
    );
    plan := mrl._plan_recall(asked, sample, queries);
    -- raises if the filter contains further statements
    perform mrl._share(table_name, filter, args);
    drawn := mrl._draw_queries(plan.sampling, args, queries);
    for place in 1 .. coalesce(pg_catalog.cardinality(drawn.fulls), 0) loop
        shares := mrl._query_shares(
            plan.statement, plan.settings, args, drawn.fulls[place], drawn.parts[place],
            drawn.spots[place], plan.probed
        );
        if shares.graph is not null then
            recalls := pg_catalog.array_append(recalls, shares.graph);
            shortlists := pg_catalog.array_append(shortlists, shares.shortlist);
            prefixes := pg_catalog.array_append(prefixes, shares.prefix);
        end if;
        if pg_catalog.clock_timestamp()
            operator(pg_catalog.>) (last_notice operator(pg_catalog.+) interval '10 s')
        then
            -- mrl_pg.calibration.measuring reads the detail
            raise notice '% queries measured', pg_catalog.cardinality(recalls)
                using detail = pg_catalog.format(
                    '%s of %s',
                    pg_catalog.cardinality(recalls),
                    coalesce(pg_catalog.cardinality(queries), sample)
                );
            last_notice := pg_catalog.clock_timestamp();
        end if;
    end loop;
    select
        found.recall, found.low, found.high, found.loss_graph, found.loss_shortlist,
        found.loss_prefix, found.measured
    into recall, low, high, loss_graph, loss_shortlist, loss_prefix, measured
    from mrl._recall_and_losses(recalls, shortlists, prefixes) as found;
    if keep and measured operator(pg_catalog.>) 0
        and asked operator(pg_catalog.->>) 'tenant' is not null
    then
        perform mrl._keep_tenant_recall(
            table_name::pg_catalog.oid,
            (asked operator(pg_catalog.->>) 'full_column')::pg_catalog.name,
            asked operator(pg_catalog.->>) 'tenant',
            (asked operator(pg_catalog.->>) 'k')::pg_catalog.int4,
            recall,
            low,
            measured
        );
    elsif keep and measured operator(pg_catalog.>) 0 then
        perform mrl._keep_measurement(
            row(
                table_name, plan.index_name, pg_catalog.clock_timestamp(),
                (asked operator(pg_catalog.->>) 'k')::pg_catalog.int4,
                pg_catalog.concat_ws(' ', filter, args::pg_catalog.text),
                plan.candidates, plan.ef_search, plan.rerank, recall, low, high,
                loss_graph, loss_shortlist, loss_prefix, measured
            )::mrl.measurements
        );
    end if;
end
$body$;
