-- How well a row matches a query of which any word will do: the more of its words, the better.
-- Slots: document
-- Called by: mrl_pg.search.fuse, mrl._word_slots
create or replace function mrl._relevance_of_any()
returns text
language sql
immutable
parallel safe
return $template$
pg_catalog.ts_rank({document}, (select ranked from mrl_words), 1)
$template$::pg_catalog.text;
