-- A condition of an answer: the row is among those that mrl._estimated_pass read in full.
-- Slots: none
-- Called by: mrl_pg.search.render, mrl._reranked
create or replace function mrl._only_read()
returns text
language sql
immutable
parallel safe
return $template$
and distance operator(pg_catalog.<>) 1e300::pg_catalog.float8
$template$::pg_catalog.text;
