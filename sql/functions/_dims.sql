-- Dimensions of a query.
-- mrl._dims(query vector) -> int
-- Called by: mrl._check_queries, mrl._ordinary, mrl._refuse_query, templates/search_function.sql
create or replace function mrl._dims(query vector)
returns int
language sql
immutable
strict
parallel safe
return vector_dims(query);

comment on function mrl._dims(vector) is
'Internal. vector_dims, bound to where pgvector is.';
