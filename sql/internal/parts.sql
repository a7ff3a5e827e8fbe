-- Parts: which partition a vector belongs to, and which partitions are nearest to a query.

-- What mrl.set_parts said about a column; raises if it was not called.
-- Called by: mrl.part_of, mrl.nearest_parts, mrl._within_parts, mrl.misplaced_rows, …
create or replace function mrl._parts_of(
    table_id oid,
    full_column name,
    out entry int,
    out part_column name,
    out distance text
)
language plpgsql
stable
as $body$
-- qualified names, because mrl.part_of runs this for each row
#variable_conflict use_variable
begin
    select known.entry, known.part_column, known.distance
    into entry, part_column, distance
    from mrl.column_parts as known
    where known.table_id operator(pg_catalog.=) table_id::pg_catalog.regclass
        and known.full_column operator(pg_catalog.=) full_column;
    if not found then
        perform mrl._refuse_no_parts(table_id, full_column);
    end if;
end
$body$;

-- Raises, because a table is not partitioned by likeness.
-- Called by: mrl._parts_of
create or replace function mrl._refuse_no_parts(table_id oid, full_column name)
returns void
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $body$
declare
    slots jsonb := mrl._table(table_id, full_column);
begin
    raise exception 'table % is not partitioned by the likeness of %',
        slots ->> 'table', slots ->> 'full'
        using errcode = 'object_not_in_prerequisite_state',
            hint = 'leave probes out; or make a partitioned copy (mrl-pg parts make), or say '
                'what the centres are (mrl.set_parts)';
end
$body$;

-- The parts whose centres are nearest to a vector as the rows have it, nearest first.
-- Called by: mrl.part_of, mrl.nearest_parts, mrl._within_parts, mrl.misplaced_rows
create or replace function mrl._near_parts(
    entry int, full_column name, distance text, near vector, most int
)
returns int[]
language sql
stable
parallel safe
begin atomic
    select array(
        select measured.part
        from (
            select
                centre.part,
                -- by direction for ip as well, because its centres have no lengths of rows
                case
                    when _near_parts.distance operator(pg_catalog.=) 'l2'
                    then l2_distance(centre.centre, asked.flat)
                    else cosine_distance(centre.centre, asked.flat)
                end as far
            from (
                -- computed, so that a vector in TOAST is read once and not for each centre
                select subvector(_near_parts.near, 1, vector_dims(_near_parts.near)) as flat
                offset 0
            ) as asked
            cross join mrl._part_centres as centre
            where centre.entry operator(pg_catalog.=) _near_parts.entry
                and centre.full_column operator(pg_catalog.=) _near_parts.full_column
        ) as measured
        -- a zero vector has no direction
        where measured.far operator(pg_catalog.<>) 'NaN'::pg_catalog.float8
        order by measured.far, measured.part
        limit _near_parts.most
    );
end;

-- Raises for a number of parts to search that is no such number.
-- Called by: mrl.nearest_parts, mrl._within_parts
create or replace function mrl._check_probes(probes int)
returns void
language plpgsql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $body$
begin
    if probes is null or probes < 1 then
        raise exception 'probes % is below 1: search at least one part',
            coalesce(probes::text, 'NULL')
            using errcode = 'invalid_parameter_value';
    end if;
end
$body$;

-- A condition of the first pass: rows in the parts nearest to a query, or without a part.
-- Called by: mrl._plan, mrl._plan_recall
create or replace function mrl._within_parts(
    -- as mrl._plan takes it
    asked jsonb,
    -- as the rows are: rotated, if these are. NULL: the parts are parameter $20
    query vector
)
returns text
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $body$
declare
    table_id oid := asked ->> 'table_id';
    full_column name := asked ->> 'full_column';
    probes int := asked ->> 'probes';
    known record;
begin
    if probes is null or (asked ->> 'exact')::boolean then
        return '';
    end if;
    perform mrl._check_probes(probes);
    if asked ->> 'recall' is not null and asked ->> 'candidates' is null then
        raise exception 'probes % with recall %: the calibration measured searches of all parts',
            probes, asked ->> 'recall'
            using errcode = 'invalid_parameter_value',
                hint = 'leave one of the two out; mrl.recall measures a search with probes';
    end if;
    known := mrl._parts_of(table_id, full_column);
    -- a list of constants or a parameter, from which the planner leaves out other partitions
    return format(
        e'\n    and %I operator(pg_catalog.=) any (%s)',
        known.part_column,
        case when query is null
            then '$20'
            else quote_literal(
                0 || mrl._near_parts(known.entry, full_column, known.distance, query, probes)
            ) || '::pg_catalog.int4[]'
        end
    );
end
$body$;

-- The parts that a measured search reads, as an array; NULL if it reads all.
-- Called by: mrl._query_shares
create or replace function mrl._probed_parts(
    -- entry, full_column, distance and probes
    probed jsonb,
    query vector
)
returns int[]
language sql
stable
parallel safe
return case when probed is not null
    then 0 operator(pg_catalog.||) mrl._near_parts(
        (probed operator(pg_catalog.->>) 'entry')::pg_catalog.int4,
        (probed operator(pg_catalog.->>) 'full_column')::pg_catalog.name,
        probed operator(pg_catalog.->>) 'distance',
        query,
        (probed operator(pg_catalog.->>) 'probes')::pg_catalog.int4
    )
end;

-- Raises for a recall with probes that is to be stored, because its row would not say so.
-- Called by: mrl._measure
create or replace function mrl._refuse_probes_kept(asked jsonb)
returns void
language plpgsql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $body$
begin
    if asked ->> 'probes' is not null then
        raise exception 'keep stores recalls of whole tables, and probes is %',
            asked ->> 'probes'
            using errcode = 'invalid_parameter_value', hint = 'leave one of the two out';
    end if;
end
$body$;

-- The partitions of a table that is partitioned by likeness; one row for each value of its key.
-- Called by: mrl._part_findings, mrl.set_parts, client/parts.sql
create or replace function mrl._part_partitions(
    table_id oid,
    -- NULL also takes a table whose centres are not known
    full_column name
)
returns table (part int, partition oid)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $body$
begin
    if full_column is not null then
        perform mrl._parts_of(table_id, full_column);
    end if;
    return query
    select bound.number[1]::int, child.inhrelid
    from pg_inherits as child
    join pg_class as class on class.oid = child.inhrelid
    -- FOR VALUES IN (3, 4)
    cross join lateral regexp_matches(
        pg_get_expr(class.relpartbound, class.oid), '-?[0-9]+', 'g'
    ) as bound (number)
    where child.inhparent = table_id;
end
$body$;

-- What is wrong with parts: rows that nobody routed, and rows in the part of others.
-- Called by: mrl._findings
create or replace function mrl._part_findings(
    -- NULL means every table
    only_table oid,
    -- whether to compare rows with centres
    check_rows boolean
)
returns table (
    table_id oid, full_column name, finding text, detail text, remedy text
)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $body$
#variable_conflict use_column
declare
    known record;
    unrouted bigint;
    counted record;
begin
    for known in
        select parted.table_id, parted.full_column, parted.part_column
        from mrl.column_parts as parted
        where _part_findings.only_table is null
            or parted.table_id = _part_findings.only_table
        order by parted.table_id::text, parted.full_column
    loop
        table_id := known.table_id;
        full_column := known.full_column;
        remedy := format(
            'mrl-pg parts route, or update %1$s set %2$I = %3$s where %2$I <> %3$s',
            known.table_id,
            known.part_column,
            format(
                'mrl.part_of(%L, %L, %I::vector)',
                known.table_id, known.full_column, known.full_column
            )
        );
        unrouted := (
            select sum(class.reltuples)
            from mrl._part_partitions(known.table_id, null) as own
            join pg_class as class on class.oid = own.partition
            where own.part = 0
                and class.reltuples > 0
        );
        if unrouted > 0 then
            finding := 'rows_without_part';
            detail := format(
                'about %s rows have no part of %I, so every search with probes reads them',
                unrouted, known.full_column
            );
            return next;
        end if;
        continue when not coalesce(check_rows, false) or row_security_active(known.table_id);
        select sum(found.misplaced) as wrong, sum(found.rows) as compared
        into counted
        from mrl.misplaced_rows(known.table_id, known.full_column) as found
        where found.part <> 0;
        if counted.wrong > 0 then
            finding := 'misplaced_rows';
            detail := format(
                '%s of %s random rows belong to another part of %I, so a search with probes may '
                'miss them',
                counted.wrong, counted.compared, known.full_column
            );
            return next;
        end if;
    end loop;
end
$body$;
