-- Rotates queries of columns that hold rotated vectors.

-- A vector multiplied by the matrix of a rotation.
-- Called by: mrl._rotated, mrl.set_rotation
create or replace function mrl._turn(entry int, known_as name, query vector)
returns vector
language sql
stable
parallel safe
begin atomic
    select pg_catalog.array_agg(
        -- pgvector's operator returns the negative inner product
        (operator(pg_catalog.-) (part.weights::vector <#> _turn.query))::pg_catalog.float4
        order by part.place
    )::vector
    from mrl._rotation_rows as part
    where part.entry operator(pg_catalog.=) _turn.entry
        and part.full_column operator(pg_catalog.=) _turn.known_as;
end;

-- A vector multiplied by the transpose of the matrix, which is its inverse.
-- Called by: mrl.unrotate
create or replace function mrl._turn_back(entry int, known_as name, turned vector)
returns vector
language sql
stable
parallel safe
begin atomic
    select sum(
        part.weights::vector
        * pg_catalog.array_fill(
            coordinate.value, array[pg_catalog.cardinality(part.weights)]
        )::vector
    )
    from mrl._rotation_rows as part
    join pg_catalog.unnest(_turn_back.turned::pg_catalog.float4[])
        with ordinality as coordinate (value, place)
        on coordinate.place operator(pg_catalog.=) part.place
    where part.entry operator(pg_catalog.=) _turn_back.entry
        and part.full_column operator(pg_catalog.=) _turn_back.known_as;
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
    -- a query of another length is refused later
    if not found or mrl._dims(query) operator(pg_catalog.<>) turned.dims then
        return (query);
    end if;
    return mrl._turn(turned.entry, turned.known_as, query);
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

-- How much longer a vector, given as text, is after its rotation.
-- Called by: mrl.set_rotation
create or replace function mrl._length_ratio(entry int, known_as name, probe text)
returns float8
language sql
stable
parallel safe
begin atomic
    select vector_norm(mrl._turn(_length_ratio.entry, _length_ratio.known_as, given.probe))
        operator(pg_catalog./) vector_norm(given.probe)
    from (
        select _length_ratio.probe::vector as probe
    ) as given;
end;
