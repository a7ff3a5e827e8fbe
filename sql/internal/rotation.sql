-- Rotates queries of columns that hold rotated vectors.

-- A vector multiplied by the matrix of a rotation, or by its transpose, which is its inverse.
-- Called by: mrl._rotated, mrl._there_and_back, mrl.rotate, mrl.unrotate
create or replace function mrl._turn(entry int, known_as name, back boolean, query vector)
returns vector
language sql
stable
parallel safe
begin atomic
    select pg_catalog.array_agg(
        inner_product(part.weights, _turn.query)::pg_catalog.float4 order by part.place
    )::vector
    from mrl._rotation_rows as part
    where part.entry operator(pg_catalog.=) _turn.entry
        and part.full_column operator(pg_catalog.=) _turn.known_as
        and part.back operator(pg_catalog.=) _turn.back;
end;

-- A query as the rows of a column are: rotated, or as it is if the column is not rotated.
-- Called by: mrl.search, mrl.search_keys, mrl.hybrid, mrl._all_rotated, …
create or replace function mrl._rotated(query vector, table_id oid, full_column name)
returns vector
language plpgsql
stable
as $body$
-- qualified names, because this runs at each search and setting a search_path takes time
#variable_conflict use_variable
declare
    turned pg_catalog.record;
begin
    -- most databases have no rotation, and then nothing else is looked up
    if query is null or not exists (select from mrl._rotations) then
        return (query);
    end if;
    select known.entry, known.known_as, known.dims
    into turned
    from mrl.column_rotations as known
    where known.table_id operator(pg_catalog.=) table_id::pg_catalog.regclass
        and known.full_column operator(pg_catalog.=) full_column;
    if not found then
        perform mrl._refuse_lost(table_id, full_column, mrl._dims(query));
        return (query);
    -- a query of another length is refused later
    elsif mrl._dims(query) operator(pg_catalog.<>) turned.dims then
        return (query);
    end if;
    return mrl._turn(turned.entry, turned.known_as, false, query);
end
$body$;

-- The same for many queries.
-- Called by: mrl.search_many, mrl._queries_or_kept, mrl._measure, client/calibration.sql
create or replace function mrl._all_rotated(queries vector[], table_id oid, full_column name)
returns vector[]
language plpgsql
stable
as $body$
#variable_conflict use_variable
begin
    if queries is null or not exists (select from mrl._rotations) then
        return queries;
    end if;
    return array(
        select mrl._rotated(given.query, table_id, full_column)
        from pg_catalog.unnest(queries) with ordinality as given (query, place)
        order by given.place
    );
end
$body$;

-- The expression of a query in a printed statement: rotated once, if the column is rotated.
-- Called by: mrl.search_sql
create or replace function mrl._rotated_in_sql(
    query text, table_name regclass, full_column name, slots jsonb
)
returns text
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $body$
begin
    if not exists (
        select
        from mrl.column_rotations as known
        where known.table_id = table_name
            and known.full_column = _rotated_in_sql.full_column
    ) then
        perform mrl._refuse_lost(table_name, full_column, (slots ->> 'full_dims')::int);
        return (query);
    end if;
    return format(
        '(select mrl.rotate(%L::pg_catalog.regclass, %L::pg_catalog.name, %s::%svector))',
        slots ->> 'table', full_column, query, slots ->> 'extension'
    );
end
$body$;

-- The rotation of a column; raises if the column is not rotated, or the vector has other dims.
-- Called by: mrl.rotate, mrl.unrotate
create or replace function mrl._rotation_of(
    table_name regclass,
    full_column name,
    query vector,
    out entry int,
    out known_as name
)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $body$
declare
    slots jsonb := mrl._table(table_name, full_column);
    full_dims int;
begin
    select known.entry, known.known_as, known.dims
    into entry, known_as, full_dims
    from mrl.column_rotations as known
    where known.table_id = table_name
        and known.full_column = _rotation_of.full_column;
    if not found then
        raise exception 'column %.% is not rotated', slots ->> 'table', slots ->> 'full'
            using errcode = 'object_not_in_prerequisite_state',
                hint = 'select * from mrl.column_rotations';
    elsif mrl._dims(query) <> full_dims then
        perform mrl._refuse_query(query, slots);
    end if;
end
$body$;

-- Rotations whose column has another name now, and nobody knows which: it was renamed, then dumped.
-- Called by: mrl._refuse_lost, mrl.rename_rotation, mrl._claim, client/rotation.sql, …
create or replace function mrl._lost_rotations(table_id oid)
returns table (known_as name, version text, dims int)
language sql
stable
parallel safe
begin atomic
    select turned.full_column, turned.version, turned.dims
    from mrl._rotations as turned
    join mrl._live_tables as live on live.entry operator(pg_catalog.=) turned.entry
    where live.table_id operator(pg_catalog.=) _lost_rotations.table_id::pg_catalog.regclass
        -- in the same table, a number that no column has means that the column was dropped
        and live.born operator(pg_catalog.<>) turned.born
        and not exists (
            select
            from mrl.column_rotations as known
            where known.entry operator(pg_catalog.=) turned.entry
                and known.known_as operator(pg_catalog.=) turned.full_column
        );
end;

-- Raises if a column that is not rotated may be the one of a rotation that lost its column.
-- Called by: mrl._rotated, mrl._rotated_in_sql
create or replace function mrl._refuse_lost(table_id oid, full_column name, dims int)
returns void
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $body$
declare
    lost record;
begin
    select *
    into lost
    from mrl._lost_rotations(table_id) as known
    where known.dims = _refuse_lost.dims
    limit 1;
    if found then
        raise exception 'table % has a rotation of column %, which has another name now',
            table_id::regclass, quote_ident(lost.known_as)
            using errcode = 'object_not_in_prerequisite_state',
                detail = format('It may be column %I.', full_column),
                hint = format(
                    'say which column it is: select mrl.rename_rotation(%L, %L, %L), or NULL '
                    'in place of the last name if it was dropped',
                    table_id::regclass, lost.known_as, full_column
                );
    end if;
end
$body$;

-- Raises for sign bits of rotated vectors.
-- Called by: mrl._create_steps
create or replace function mrl._refuse_rotated_bits(
    table_name regclass, full_column name, kind text
)
returns void
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $body$
begin
    if mrl._kind(kind, 'stored') = 'bits' and exists (
        select
        from mrl.column_rotations as known
        where known.table_id = table_name
            and known.full_column = _refuse_rotated_bits.full_column
    ) then
        raise exception 'column %.% is rotated, and sign bits of rotated vectors find too little',
            table_name, quote_ident(full_column)
            using errcode = 'invalid_parameter_value',
                hint = 'take kind halfvec or vector; for bge-base, bits of all dimensions found '
                    '.902 of the true ten within 40 candidates, and .585 of them after a '
                    'rotation';
    end if;
end
$body$;

-- How far a vector, given as text, is from itself after its rotation there and back.
-- Called by: mrl.set_rotation
create or replace function mrl._there_and_back(entry int, known_as name, probe text)
returns float8
language sql
stable
parallel safe
begin atomic
    select l2_distance(
        given.probe,
        mrl._turn(
            _there_and_back.entry,
            _there_and_back.known_as,
            true,
            mrl._turn(_there_and_back.entry, _there_and_back.known_as, false, given.probe)
        )
    )
    from (
        select _there_and_back.probe::vector as probe
    ) as given;
end;

-- The columns of a matrix whose rows are given.
-- Called by: mrl.set_rotation
create or replace function mrl._transposed(matrix vector[])
returns table (place bigint, weights vector)
language sql
immutable
parallel safe
begin atomic
    select
        cell.place,
        pg_catalog.array_agg(cell.weight order by line.place)::vector
    from pg_catalog.unnest(_transposed.matrix) with ordinality as line (weights, place)
    cross join pg_catalog.unnest(line.weights::pg_catalog.float4[])
        with ordinality as cell (weight, place)
    group by cell.place;
end;
