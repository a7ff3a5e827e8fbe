-- What a person typed, as a text search query; no input is a syntax error.
-- Slots: config (a constant of type regconfig), words
-- Called by: mrl_pg.search.fuse, mrl._word_slots
create or replace function mrl._word_query()
returns text
language sql
immutable
parallel safe
return $template$
pg_catalog.websearch_to_tsquery({config}, {words}::pg_catalog.text)
$template$::pg_catalog.text;
