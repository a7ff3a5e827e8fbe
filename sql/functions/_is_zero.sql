-- Whether a query is all zeros and has no direction.
-- mrl._is_zero(query vector) -> boolean
-- Called by: mrl._check_queries, mrl._ordinary, mrl._refuse_query, templates/search_function.sql
create or replace function mrl._is_zero(query vector)
returns boolean
language sql
immutable
strict
parallel safe
return vector_norm(query) operator(pg_catalog.=) 0;

comment on function mrl._is_zero(vector) is
'Internal. Whether a query has no direction.';
