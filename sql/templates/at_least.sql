-- A value of a setting for the gate, unless the session's own value is larger.
-- Slots: before (the session's own value, as text), least
-- Called by: mrl_pg.search.render, mrl._printed_settings
create or replace function mrl._at_least()
returns text
language sql
immutable
parallel safe
return $template$
greatest({before}::pg_catalog.numeric, {least})::pg_catalog.text
$template$::pg_catalog.text;
