-- Tables that Citus spreads over machines, and what is refused of them.

-- Whether Citus spreads a table; only databases with Citus have a catalog that says so.
-- Called by: mrl._refuse_spread, mrl._choose_keep, mrl._create_steps, mrl.status, mrl.indexes
create or replace function mrl._is_spread(table_id oid)
returns boolean
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $body$
declare
    spread boolean := false;
begin
    if to_regclass('pg_catalog.pg_dist_partition') is not null then
        execute 'select exists (select from pg_catalog.pg_dist_partition as part '
            'where part.logicalrelid::pg_catalog.oid operator(pg_catalog.=) $1)'
        into spread
        using table_id;
    end if;
    return spread;
end
$body$;

-- Raises for a table that Citus spreads; `instead` is the way out.
-- Called by: mrl._plan, mrl._plan_recall, mrl._tenant_settings, templates/search_function.sql
create or replace function mrl._refuse_spread(table_id oid, instead text)
returns void
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $body$
begin
    if mrl._is_spread(table_id) then
        raise exception '% is a table of Citus, which spreads its rows over shards',
            table_id::regclass
            using errcode = 'feature_not_supported', hint = instead;
    end if;
end
$body$;
