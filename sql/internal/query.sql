-- Checks query vectors.

-- The dimensions of a query.
-- Called by: mrl._check_queries, mrl._ordinary, mrl._refuse_query, templates/search_function.sql
create or replace function mrl._dims(query vector)
returns int
language sql
immutable
strict
parallel safe
return vector_dims(query);

-- Whether a query is all zeros, so that it has no direction.
-- Called by: mrl._check_queries, mrl._ordinary, mrl._refuse_query, templates/search_function.sql
create or replace function mrl._is_zero(query vector)
returns boolean
language sql
immutable
strict
parallel safe
return vector_norm(query) operator(pg_catalog.=) 0;

-- Raises the reason why a query can't be compared with rows.
-- Called by: mrl._check_queries, templates/search_function.sql
create or replace function mrl._refuse_query(query vector, slots jsonb)
returns void
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $body$
begin
    if query is null then
        raise exception 'the query is NULL'
            using errcode = 'null_value_not_allowed',
                hint = format('pass a vector of %s dimensions', slots ->> 'full_dims');
    elsif mrl._dims(query) <> (slots ->> 'full_dims')::int then
        raise exception 'the query has % dimensions, %.% has %',
            mrl._dims(query), slots ->> 'table', slots ->> 'full', slots ->> 'full_dims'
            using errcode = 'data_exception',
                hint = 'embed the query with the model that made the rows, and do not shorten '
                    'the vector';
    elsif slots ->> 'operator' = '<=>' and mrl._is_zero(query) then
        raise exception 'the query is all zeros, which has no cosine distance'
            using errcode = 'data_exception';
    end if;
end
$body$;

-- Raises if a search cannot answer one of the queries.
-- Called by: mrl._plan, mrl._plan_recall, mrl._plan_calibration
create or replace function mrl._check_queries(queries vector[], slots jsonb)
returns void
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $body$
begin
    for place in 1 .. coalesce(cardinality(queries), 0) loop
        if mrl._dims(queries[place]) is distinct from (slots ->> 'full_dims')::int
            or slots ->> 'operator' = '<=>' and mrl._is_zero(queries[place])
        then
            perform mrl._refuse_query(queries[place], slots);
        end if;
    end loop;
end
$body$;
