-- Raises what is wrong with a query that no distance can be taken of.
-- mrl._refuse_query(query vector, slots jsonb) -> void
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
                hint = 'embed the query with the model that made the rows, uncut';
    elsif slots ->> 'operator' = '<=>' and mrl._is_zero(query) then
        raise exception 'the query is all zeros, which has no cosine distance'
            using errcode = 'data_exception';
    end if;
end
$body$;

comment on function mrl._refuse_query(vector, jsonb) is
'Internal. Raises what is wrong with a query.';
