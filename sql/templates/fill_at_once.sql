-- Fills a short column that a trigger keeps, for all rows in one statement.
-- Slots: table, short, full, value
-- Called by: mrl._create_steps
create or replace function mrl._fill_at_once()
returns text
language sql
immutable
parallel safe
return $template$
update {table}
set {short} = {value}
where {short} is null
    and {full} is not null
$template$::pg_catalog.text;
