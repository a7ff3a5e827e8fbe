-- Locks the table against a second build and schema changes. Reads and writes go on.
-- Slots: table
-- Called by: mrl_pg.build.steps, mrl.create_index, mrl.drop_index, mrl._add_kept_column
create or replace function mrl._lock_table()
returns text
language sql
immutable
parallel safe
return $template$
lock table {table} in share update exclusive mode
$template$::pg_catalog.text;
