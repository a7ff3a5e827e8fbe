-- The statements that build and drop the indexes of tenants, to run one by one.
-- mrl.tenants_sql('docs', 'embedding') -> setof text
-- Called by: people with \gexec
create or replace function mrl.tenants_sql(
    table_name regclass,
    full_column name,
    drop_all boolean default false
)
returns setof text
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $body$
begin
    return query
    select todo.statement
    from mrl._tenant_steps(table_name, full_column, coalesce(drop_all, false)) as todo;
end
$body$;

comment on function mrl.tenants_sql(regclass, name, boolean) is
'Statements that give large tenants a short index of their own and drop those of tenants that '
'became small, as mrl.set_tenants says. Run each by itself, as \gexec does, because "create '
'index concurrently" cannot run in a function. Only missing steps are returned, so run them '
'again after an interruption. drop_all: drop all of them, and forget the tenants.';
