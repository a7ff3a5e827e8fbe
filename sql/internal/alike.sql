-- Rows that are as far from their answers as real queries are, to calibrate with.

-- How many rows a calibration draws for each that it chooses by distance.
-- Called by: mrl._plan_calibration
create or replace function mrl._drawn_for_each()
returns int
language sql
immutable
parallel safe
return 4;

-- Distances of the k-th answers of real queries, if a calibration chooses rows by them; else NULL.
-- Called by: mrl.calibrate, client/calibration.sql
create or replace function mrl._distances_to_match(
    table_name regclass,
    full_column name,
    k int,
    filter text,
    -- queries that the caller gives or has stored, or the caller wants rows as they come
    queries vector[],
    rows boolean
)
returns float8[]
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $body$
declare
    -- fewer leave open how far the farthest are
    enough constant int := 100;
    found float8[];
begin
    -- only answers without a filter are stored, and not by which distance they were found
    if queries is not null or rows or filter is not null or row_security_active(table_name)
        or (
            select count(distinct registered.distance) > 1
            from mrl.registry as registered
            where registered.table_id = _distances_to_match.table_name
                and registered.full_column = _distances_to_match.full_column
        )
    then
        return null;
    end if;
    select array_agg(known.distance)
    into found
    from mrl.kept_distances as known
    where known.table_name = _distances_to_match.table_name
        and known.full_column = _distances_to_match.full_column
        and known.k = _distances_to_match.k;
    return case when cardinality(found) >= enough then found end;
end
$body$;

-- The rows among those drawn that a calibration measures, and what they stand for.
-- Called by: mrl.calibrate, client/calibration.sql
create or replace function mrl._rows_to_measure(
    k int,
    -- of each row, as mrl._truth returns them
    edges float8[],
    totals int[],
    -- as mrl._distances_to_match returns them
    distances float8[],
    -- the number of rows to measure
    most bigint,
    -- places in edges, ascending
    out numbers int[],
    -- distances, unlike (real queries are unlike the rows) or rows
    out basis text
)
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $body$
declare
    -- where a larger share of real answers was unlike, promises were not kept;
    -- see docs/measured/recall.md
    unlike constant float8 := 0.2;
    alike record;
begin
    basis := 'rows';
    if distances is not null then
        alike := mrl._alike(
            array(
                -- mrl._edge adds the errors of single precision
                select case when query.total = _rows_to_measure.k then query.edge - 1e-5 end
                from unnest(edges, totals) with ordinality as query (edge, total, number)
                order by query.number
            ),
            distances,
            most::int
        );
        basis := case when alike.unlike < unlike then 'distances' else 'unlike' end;
    end if;
    if basis = 'distances' then
        numbers := array(select place from unnest(alike.chosen) as place order by place);
        return;
    elsif basis = 'unlike' then
        raise notice 'real queries are unlike the rows: % %% of them are farther from their answers, '
                'or nearer, than rows are',
                round((100 * alike.unlike)::numeric)
            using hint = 'calibrate with real queries';
    end if;
    -- a row without rows to find is left out: the filter selects only it, or it is zero
    numbers := array(
        select query.number
        from unnest(totals) with ordinality as query (total, number)
        where query.total > 0
        order by query.number
        limit most
    );
end
$body$;

-- Chooses rows whose answers are as far away as those of real queries, each row once.
-- Called by: mrl._rows_to_measure
create or replace function mrl._alike(
    -- the distance of each row's k-th answer, NULL if it has none
    edges float8[],
    -- the distances of the k-th answers of real queries
    wanted float8[],
    -- the number of rows to choose
    most int,
    -- places in edges, from the farthest
    out chosen int[],
    -- the share of real answers that are farther or nearer than those of any row left
    out unlike float8
)
language plpgsql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $body$
declare
    -- a row is like a query if their distances differ by less than this share of either
    near constant float8 := 0.03;
    -- places in edges by ascending distance, and their distances
    places int[];
    sorted float8[];
    count int;
    used boolean[];
    quantiles float8[];
    middle int;
    below int;
    above int;
    best int;
    missed int := 0;
begin
    select
        array_agg(place order by edge, place),
        array_agg(edge order by edge, place)
    into places, sorted
    from unnest(edges) with ordinality as row (edge, place)
    where edge is not null;
    count := coalesce(cardinality(places), 0);
    most := least(most, count);
    chosen := '{}';
    if most = 0 or coalesce(cardinality(wanted), 0) = 0 then
        unlike := 1;
        return;
    end if;
    used := array_fill(false, array[count]);
    -- from the farthest, because far rows are rare
    select array_agg(quantile order by place desc)
    into quantiles
    from (
        select percentile_cont(
            array(
                select (step - 0.5) / most
                from generate_series(1, most) as step
            )
        ) within group (order by distance) as quantiles
        from unnest(wanted) as distance
    ) as every
    cross join unnest(every.quantiles) with ordinality as each (quantile, place);
    for number in 1 .. most loop
        -- the nearest unused rows on both sides
        middle := width_bucket(quantiles[number], sorted);
        below := null;
        above := null;
        for place in reverse middle .. 1 loop
            below := place;
            exit when not used[place];
            below := null;
        end loop;
        for place in middle + 1 .. count loop
            above := place;
            exit when not used[place];
            above := null;
        end loop;
        best := case
            when below is null then above
            when above is null then below
            when quantiles[number] - sorted[below] <= sorted[above] - quantiles[number]
            then below
            else above
        end;
        used[best] := true;
        chosen[number] := places[best];
        -- and what single precision loses near 0
        if abs(sorted[best] - quantiles[number])
            > near * greatest(abs(sorted[best]), abs(quantiles[number])) + 2e-5
        then
            missed := missed + 1;
        end if;
    end loop;
    unlike := missed::float8 / most;
end
$body$;
