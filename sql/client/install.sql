-- Whether mrl_pg is installed, and several statements at once.

-- name: version
-- The installed version. The function is read, not run, because another role may have made it.
-- No parameters; no row if mrl_pg is not installed
-- Called by: mrl_pg.installation
select substring(pg_catalog.pg_get_function_sqlbody(proc.oid) from '''(.+)''') as version
from pg_catalog.pg_proc as proc
join pg_catalog.pg_namespace as space on space.oid operator(pg_catalog.=) proc.pronamespace
where space.nspname operator(pg_catalog.=) 'mrl'
    and proc.proname operator(pg_catalog.=) 'version'
    and proc.pronargs operator(pg_catalog.=) 0

-- name: create_vector
-- Creates pgvector's extension if it is missing. By default only administrators may do this.
-- No slots
-- Called by: mrl_pg.build.definitions
create extension if not exists vector

-- name: at_once
-- Several statements as one, for a driver that sends one statement at a time.
-- Slots: script, a literal
-- Called by: mrl_pg.sqlalchemy.driver
do $mrl_script$
begin
    execute {script};
end
$mrl_script$
