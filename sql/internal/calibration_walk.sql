-- What a calibration asks the server: exact answers, wider and wider searches, and times.

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

-- The full vectors of the rows from one place to before another, in binary, and the rows' places.
-- Called by: client/calibration.sql
create or replace function mrl._read_vectors(
    -- as mrl._plan_calibration makes it
    row_vectors text,
    args text[],
    start tid,
    stop tid,
    -- the most rows, or NULL
    most int,
    out vectors bytea,
    out spots text[]
)
language plpgsql
volatile
parallel unsafe
as $body$
-- no search_path of its own, so that PostgreSQL looks up the filter's names as the caller does
#variable_conflict use_variable
begin
    execute row_vectors into vectors, spots
        using args[1], args[2], args[3], args[4], args[5], args[6], args[7], args[8],
            args[9], args[10], args[11], args[12], args[13], args[14], args[15],
            args[16], start, stop, most;
end
$body$;

-- The places of all rows that are named in JSON arrays, each maybe with its table before it.
-- Called by: mrl._walk
create or replace function mrl._tids(known jsonb[])
returns tid[]
language sql
immutable
parallel safe
return array(
    select pg_catalog.split_part(spot, ' ', -1)::pg_catalog.tid
    from pg_catalog.unnest(known) as spots
    cross join lateral pg_catalog.jsonb_array_elements_text(spots) as spot
);

-- What a search with some number of candidates finds for some queries, and how long it takes.
-- Called by: mrl.calibrate, client/calibration.sql
create or replace function mrl._walk(
    -- as mrl._plan_calibration makes them
    pass text,
    known_pass text,
    still_there text,
    ordered_pass text,
    best_pass text,
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
    -- where its near rows are, as a JSON array, if that is known; and whether these are all, so
    -- that no other row is as near: else a search may find another of equally near rows
    known jsonb[],
    complete boolean[],
    -- the first transaction that may have changed a row since; NULL within one snapshot
    since xid8,
    -- places of the near rows among the candidates, and where they are in the table, each as a
    -- JSON array; NULL if the query was not walked
    out near jsonb[],
    out spots_found jsonb[],
    -- milliseconds when k and when all candidates were re-ranked; NULL if not timed
    out shortest float8[],
    out longest float8[],
    -- the first of them once more, to know what times of the same search differ by
    out again float8[],
    -- places of the near rows in the order by which a search chooses what it reads, as a JSON
    -- array; and milliseconds when the best k and when all candidates were read in that order.
    -- NULL where no search does
    out orders jsonb[],
    out best_shortest float8[],
    out best_longest float8[]
)
language plpgsql
volatile
parallel unsafe
as $body$
-- no search_path of its own, so that PostgreSQL looks up the filter's names as the caller does
#variable_conflict use_variable
declare
    -- no more queries are timed after this, except the first few
    most_ms constant double precision := 50;
    fewest constant int := 5;
    repeated constant int := 3;
    effort pg_catalog.record := mrl._effort(
        pg_catalog.jsonb_build_object(
            'k', k operator(pg_catalog.+) spare,
            'candidates', candidates operator(pg_catalog.+) spare
        ),
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
    ordered pg_catalog.text := pg_catalog.replace(
        ordered_pass, '{candidates}', effort.candidates::pg_catalog.text
    );
    best pg_catalog.text := pg_catalog.replace(
        best_pass, '{candidates}', effort.candidates::pg_catalog.text
    );
    best_few pg_catalog.text := pg_catalog.replace(
        best, '{rerank}', (k operator(pg_catalog.+) spare)::pg_catalog.text
    );
    best_all pg_catalog.text := pg_catalog.replace(
        best, '{rerank}', effort.candidates::pg_catalog.text
    );
    found pg_catalog.record;
    -- as keys of an object, because to look for text in an array takes its length
    there pg_catalog.jsonb;
    unused pg_catalog.record;
    spent double precision := 0;
    is_timed boolean;
    start pg_catalog.timestamptz;
    before pg_catalog.text[];
    replaced pg_catalog.text[];
begin
    near := '{}';
    spots_found := '{}';
    execute still_there into there
        using args[1], args[2], args[3], args[4], args[5], args[6], args[7], args[8],
            args[9], args[10], args[11], args[12], args[13], args[14], args[15],
            args[16], mrl._tids(known), pg_catalog.age(pg_catalog.xid(since));
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
        orders[place] := null;
        best_shortest[place] := null;
        best_longest[place] := null;
        continue when not (is_timed or unsettled[place]);
        -- else a near row has moved since
        if not is_timed and known[place] is not null
            and there operator(pg_catalog.?&) array(
                select pg_catalog.jsonb_array_elements_text(known[place])
            )
        then
            execute narrower into found
                using args[1], args[2], args[3], args[4], args[5], args[6], args[7],
                    args[8], args[9], args[10], args[11], args[12], args[13], args[14],
                    args[15], args[16], fulls[place], parts[place], spots[place],
                    edges[place],
                    array(select pg_catalog.jsonb_array_elements_text(known[place]));
            if complete[place]
                or pg_catalog.cardinality(found.places)
                    operator(pg_catalog.=) pg_catalog.jsonb_array_length(known[place])
            then
                near[place] := pg_catalog.to_jsonb(coalesce(found.places, '{}'));
                spots_found[place] := known[place];
                if ordered is not null then
                    orders[place] := pg_catalog.to_jsonb(coalesce(found.orders, '{}'));
                end if;
                continue;
            end if;
        end if;
        -- reads all candidates before a search is timed, so that none has to fetch them from disk
        -- for those that are timed after it
        if ordered is not null then
            execute ordered into found
                using args[1], args[2], args[3], args[4], args[5], args[6], args[7],
                    args[8], args[9], args[10], args[11], args[12], args[13], args[14],
                    args[15], args[16], fulls[place], parts[place], spots[place],
                    edges[place];
            near[place] := pg_catalog.to_jsonb(coalesce(found.places, '{}'));
            spots_found[place] := pg_catalog.to_jsonb(coalesce(found.spots, '{}'));
            orders[place] := pg_catalog.to_jsonb(coalesce(found.orders, '{}'));
            continue when not is_timed;
        end if;
        start := pg_catalog.clock_timestamp();
        execute wide into found
            using args[1], args[2], args[3], args[4], args[5], args[6], args[7],
                args[8], args[9], args[10], args[11], args[12], args[13], args[14],
                args[15], args[16], fulls[place], parts[place], spots[place],
                edges[place];
        longest[place] := mrl._ms_since(start);
        if ordered is null then
            near[place] := pg_catalog.to_jsonb(coalesce(found.places, '{}'));
            spots_found[place] := pg_catalog.to_jsonb(coalesce(found.spots, '{}'));
        end if;
        if not is_timed then
            longest[place] := null;
            continue;
        end if;
        spent := spent operator(pg_catalog.+) longest[place];
        if ordered is not null then
            start := pg_catalog.clock_timestamp();
            execute best_all into unused
                using args[1], args[2], args[3], args[4], args[5], args[6], args[7],
                    args[8], args[9], args[10], args[11], args[12], args[13], args[14],
                    args[15], args[16], fulls[place], parts[place], spots[place],
                    edges[place];
            best_longest[place] := mrl._ms_since(start);
            start := pg_catalog.clock_timestamp();
            execute best_few into unused
                using args[1], args[2], args[3], args[4], args[5], args[6], args[7],
                    args[8], args[9], args[10], args[11], args[12], args[13], args[14],
                    args[15], args[16], fulls[place], parts[place], spots[place],
                    edges[place];
            best_shortest[place] := mrl._ms_since(start);
        end if;
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
    candidates int,
    -- their places in the order by which a search chooses what it reads; NULL where none does
    orders_before jsonb default null,
    orders jsonb default null
)
returns boolean
language sql
immutable
parallel safe
-- benchmarks/calibrate.py measures what this rule does to the mean recalls
return pg_catalog.jsonb_array_length(near) operator(pg_catalog.>=) total
    and near operator(pg_catalog.=) before
    and (4 operator(pg_catalog.*) (near operator(pg_catalog.->>) (-1))::int)
        operator(pg_catalog.<=) candidates
    and coalesce(orders, 'null') operator(pg_catalog.=) coalesce(orders_before, 'null');

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
            -- of those queries that find less, with a filter
            pg_catalog.min(
                (point operator(pg_catalog.->>) 'recall')::pg_catalog.float8
            ) as recall
        from pg_catalog.jsonb_array_elements(points) as point
        where (point operator(pg_catalog.->>) 'ef_search')::int
            operator(pg_catalog.=) least((point operator(pg_catalog.->>) 'candidates')::int, 1000)
            and (point operator(pg_catalog.->>) 'rerank') is null
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
