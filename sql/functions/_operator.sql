-- pgvector's operator of a distance.
-- mrl._operator(distance text) -> text
-- Called by: mrl._full, mrl._found, mrl._ordinary; mrl_pg.layout is its twin in Python
create or replace function mrl._operator(distance text)
returns text
language sql
immutable
parallel safe
return case
    when distance operator(pg_catalog.=) 'cosine' then '<=>'
    when distance operator(pg_catalog.=) 'l2' then '<->'
    when distance operator(pg_catalog.=) 'ip' then '<#>'
end;

comment on function mrl._operator(text) is
'Internal. Operator of a distance.';
