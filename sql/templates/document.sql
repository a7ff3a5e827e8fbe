-- The words of a text column, written so that a GIN index on to_tsvector(config, text) serves it.
-- Slots: config (a constant of type regconfig), text (a column)
-- Called by: mrl_pg.search.fuse, mrl._word_slots
create or replace function mrl._document()
returns text
language sql
immutable
parallel safe
return $template$
pg_catalog.to_tsvector({config}, {text})
$template$::pg_catalog.text;
