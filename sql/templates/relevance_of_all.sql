-- How well a row matches a query whose words must all be there: the closer together, the better.
-- Slots: document
-- Called by: mrl_pg.search.fuse, mrl._word_slots
create or replace function mrl._relevance_of_all()
returns text
language sql
immutable
parallel safe
return $template$
pg_catalog.ts_rank_cd({document}, (select ranked from mrl_words))
$template$::pg_catalog.text;
