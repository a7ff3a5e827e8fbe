-- Drops the short column; no rewrite, an ACCESS EXCLUSIVE lock for a moment.
-- Slots: table, short
-- Called by: mrl_pg.build.definitions, mrl.drop_index
create or replace function mrl._drop_short_column()
returns text
language sql
immutable
parallel safe
return $template$
alter table {table}
    drop column if exists {short}
$template$::pg_catalog.text;
