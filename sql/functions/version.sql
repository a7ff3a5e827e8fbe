-- Version of mrl_pg in this database.
-- mrl.version() -> text
-- Called by: mrl_pg.installation, mrl_pg.sqlalchemy.create, refuse_downgrade.sql, people
create or replace function mrl.version()
returns text
language sql
immutable
parallel safe
return '0.2.0'::pg_catalog.text;

comment on function mrl.version() is
'Version of mrl_pg installed in this database.';
