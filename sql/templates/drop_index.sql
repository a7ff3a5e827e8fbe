-- Drops the index of the short column.
-- Slots: concurrently, index (schema-qualified)
-- Called by: mrl_pg.build.definitions, mrl._create_steps, mrl.drop_index
create or replace function mrl._drop_index()
returns text
language sql
immutable
parallel safe
return $template$
drop index{concurrently} if exists {index}
$template$::pg_catalog.text;
