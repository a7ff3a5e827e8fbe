-- Adds the short column; rewrites the table under an ACCESS EXCLUSIVE lock.
-- Slots: table, if_not_exists, short, type, value
-- Called by: mrl_pg.build.definitions, mrl._create_steps
create or replace function mrl._add_short_column()
returns text
language sql
immutable
parallel safe
return $template$
alter table {table}
    add column{if_not_exists} {short} {type} generated always as ({value}) stored,
    -- kept in the row, so that builds read it in one pass and in parallel
    alter column {short} set storage main
$template$::pg_catalog.text;
