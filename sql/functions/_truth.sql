-- Queries of a measurement, and how far the k-th nearest row is from each, exactly.
-- mrl._truth(sampling, near_edge, edge, edges, batch, k, settings, args, queries) -> record
-- Called by: mrl.calibrate
create or replace function mrl._truth(
    -- statements, as mrl._plan_calibration makes them
    sampling text,
    near_edge text,
    edge text,
    edges text,
    batch int,
    k int,
    -- of a first pass that bounds how far the nearest are
    settings text[],
    args text[],
    queries vector[],
    -- of each query that has anything to find: itself, where it is, how far, how many
    out fulls vector[],
    out parts oid[],
    out spots tid[],
    out distances float8[],
    out totals int[]
)
language plpgsql
volatile
parallel unsafe
as $body$
-- no search_path of its own: names in the filter mean what they mean to the caller
#variable_conflict use_variable
declare
    asked pg_catalog.record;
    one pg_catalog.record;
    before pg_catalog.text[];
    bounds double precision[] := '{}';
    last int;
    place int;
begin
    distances := '{}';
    totals := '{}';
    for asked in execute sampling
        using args[1], args[2], args[3], args[4], args[5], args[6], args[7], args[8],
            args[9], args[10], args[11], args[12], args[13], args[14], args[15],
            args[16], queries
    loop
        fulls := pg_catalog.array_append(fulls, asked.mrl_full);
        parts := pg_catalog.array_append(parts, asked.mrl_part);
        spots := pg_catalog.array_append(spots, asked.mrl_place);
    end loop;
    before := mrl._enter(settings);
    for place in 1 .. coalesce(pg_catalog.cardinality(fulls), 0) loop
        execute near_edge into one
            using args[1], args[2], args[3], args[4], args[5], args[6], args[7], args[8],
                args[9], args[10], args[11], args[12], args[13], args[14], args[15],
                args[16], fulls[place], parts[place], spots[place];
        bounds := pg_catalog.array_append(
            bounds, case when one.k operator(pg_catalog.=) k then one.edge end
        );
        -- too few came to bound anything, as where a filter lets few through
        if bounds[place] is null then
            execute edge into one
                using args[1], args[2], args[3], args[4], args[5], args[6], args[7], args[8],
                    args[9], args[10], args[11], args[12], args[13], args[14], args[15],
                    args[16], fulls[place], parts[place], spots[place];
        end if;
        distances := pg_catalog.array_append(distances, one.edge);
        totals := pg_catalog.array_append(totals, one.k::int);
    end loop;
    before := mrl._enter(before);
    for start in 1 .. coalesce(pg_catalog.cardinality(fulls), 0) by batch loop
        last := start operator(pg_catalog.+) batch operator(pg_catalog.-) 1;
        execute edges into one
            using args[1], args[2], args[3], args[4], args[5], args[6], args[7], args[8],
                args[9], args[10], args[11], args[12], args[13], args[14], args[15],
                args[16], fulls[start:last], parts[start:last], spots[start:last],
                bounds[start:last];
        for found in 1 .. coalesce(pg_catalog.cardinality(one.numbers), 0) loop
            place := start operator(pg_catalog.+) one.numbers[found]::int
                operator(pg_catalog.-) 1;
            distances[place] := one.edges[found];
            totals[place] := one.totals[found];
        end loop;
        raise notice 'exact answers of % queries',
            least(last, pg_catalog.cardinality(fulls));
    end loop;
    -- some have nothing to be found: alone behind the filter, or all zeros
    select
        pg_catalog.array_agg(one_full order by number),
        pg_catalog.array_agg(one_part order by number),
        pg_catalog.array_agg(one_spot order by number),
        pg_catalog.array_agg(one_distance order by number),
        pg_catalog.array_agg(one_total order by number)
    into fulls, parts, spots, distances, totals
    from rows from (
        pg_catalog.unnest(fulls),
        pg_catalog.unnest(parts),
        pg_catalog.unnest(spots),
        pg_catalog.unnest(distances),
        pg_catalog.unnest(totals)
    ) with ordinality as query (one_full, one_part, one_spot, one_distance, one_total, number)
    where one_total operator(pg_catalog.>) 0;
end
$body$;

comment on function mrl._truth(
    text, text, text, text, int, int, text[], text[], vector[]
) is
'Internal. Queries of a measurement, and how far the k-th nearest row is from each.';
