-- Measures the recall of searches, and stores the results.

-- Mean recall with a 95 % interval (Wilson, 1927), wider if the answers of a query fail together.
-- Called by: mrl._recall_and_losses, mrl._points; mrl_pg.recall.score does so in Python
create or replace function mrl._interval(
    recalls float8[],
    k int,
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
declare
    n float8 := cardinality(recalls);
    spread float8;
    size float8;
    share float8;
    centre float8;
    reach float8;
begin
    if n = 0 then
        return;
    end if;
    select avg(recall), coalesce(var_samp(recall), 0)
    into mean, spread
    from unnest(recalls) as recall;
    -- the k answers of one query count as at least 1 and at most k independent answers
    size := case when spread > 0 then n * mean * (1 - mean) / spread else n end;
    size := least(greatest(size, n), n * k);
    share := z * z / size;
    centre := (mean + share / 2) / (1 + share);
    reach := z * sqrt(mean * (1 - mean) / size + share / (4 * size)) / (1 + share);
    -- rounding must not put the mean outside the interval
    low := greatest(0, least(mean, centre - reach));
    high := least(1, greatest(mean, centre + reach));
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
-- Called by: mrl.recall, client/calibration.sql
create or replace function mrl._recall_and_losses(
    -- shares of the true k nearest rows: found by the search, by an exact shortlist,
    recalls float8[],
    shortlists float8[],
    -- and by short vectors that are not re-ranked
    prefixes float8[],
    k int,
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
    from mrl._interval(recalls, k) as interval;
end;

-- The queries of a measurement: each vector and, if it is a row, its table and ctid.
-- Called by: mrl.recall, mrl.calibrate, client/calibration.sql
create or replace function mrl._draw_queries(
    -- as mrl._plan_recall or mrl._plan_calibration makes it
    sampling text,
    args text[],
    queries vector[],
    out fulls vector[],
    out parts oid[],
    out spots tid[]
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
    end loop;
end
$body$;

-- Shares of the true k nearest rows that each pass finds for one query; NULL if there are none.
-- Called by: mrl.recall, client/calibration.sql
create or replace function mrl._query_shares(
    -- as mrl._plan_recall makes them
    statement text,
    settings text[],
    args text[],
    full_value vector,
    part oid,
    spot tid,
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
            args[16], full_value, part, spot;
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
-- Called by: mrl.recall
create or replace function mrl._plan_recall(
    table_name regclass,
    full_column name,
    k int,
    sample int,
    inout candidates int,
    filter text,
    arguments int,
    dims int,
    kind text,
    inout index_name name,
    inout ef_search int,
    max_scan_tuples int,
    queries vector[],
    out sampling text,
    out statement text,
    out settings text[]
)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $body$
declare
    slots jsonb := mrl._found(table_name, full_column, dims, kind, index_name);
    effort record := mrl._effort(
        k,
        candidates,
        ef_search,
        max_scan_tuples,
        filter is not null or row_security_active(table_name)
    );
    -- a sampled row is its own nearest row, so a search takes one more and leaves itself out
    spare int := case when queries is null then 1 else 0 end;
    query text := format('$17::%s', slots ->> 'type');
begin
    if sample is null or sample < 1 then
        raise exception 'sample % is below 1', coalesce(sample::text, 'NULL')
            using errcode = 'invalid_parameter_value', hint = 'give a number of queries';
    end if;
    perform mrl._check_filter(filter, arguments);
    perform mrl._check_queries(queries, slots);
    index_name := slots ->> 'index_name';
    candidates := effort.candidates;
    ef_search := coalesce(ef_search, least(candidates, 1000));
    effort := mrl._effort(
        k + spare,
        candidates + spare,
        least(greatest(ef_search, candidates + spare), 1000),
        max_scan_tuples,
        filter is not null or row_security_active(table_name)
    );
    settings := effort.settings;
    slots := slots || jsonb_build_object(
        'filter', mrl._condition(filter),
        'query', query,
        'short_query', mrl._short_of(query, slots),
        'value', slots ->> 'full',
        'gate', 'true',
        'extra', '',
        'key_names', slots ->> 'names',
        'candidates', effort.candidates,
        'k', k + spare,
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
            'passes', mrl._render(mrl._first_pass(), slots)
        )
    );
end
$body$;

-- Stores a recall that was measured.
-- Called by: mrl.recall
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
        entry, index_name, measured_at, k, filter, candidates, ef_search, recall, low,
        high, loss_graph, loss_shortlist, loss_prefix, queries
    )
    values (
        claimed,
        measurement.index_name,
        measurement.measured_at,
        measurement.k,
        measurement.filter,
        measurement.candidates,
        measurement.ef_search,
        measurement.recall,
        measurement.low,
        measurement.high,
        measurement.loss_graph,
        measurement.loss_shortlist,
        measurement.loss_prefix,
        measurement.queries
    );
end
$body$;
