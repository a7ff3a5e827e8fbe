-- Loads pgvector's library, which knows the settings of a scan; folded to a constant.
-- mrl._load() -> boolean
-- Called by: mrl._effort
create or replace function mrl._load()
returns boolean
language sql
immutable
parallel safe
return vector_dims('[1]'::vector) operator(pg_catalog.=) 1;

comment on function mrl._load() is
'Internal. Loads pgvector''s library.';
