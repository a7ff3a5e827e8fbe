-- The statements that mend what mrl.status finds, to run one by one.
-- mrl.repair_sql(only_table, check_rows) -> setof text
-- Called by: people with \gexec
create or replace function mrl.repair_sql(
    -- NULL means every table
    only_table regclass default null,
    check_rows boolean default false
)
returns setof text
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $body$
begin
    return query
    select todo.statement
    from mrl._repair_steps(only_table, check_rows) as todo
    where todo.statement is not null;
end
$body$;

comment on function mrl.repair_sql(regclass, boolean) is
'Statements that mend what mrl.status finds. Run each statement by itself, as \gexec does, '
'because "create index concurrently" cannot run in a function. Then ask again, until there '
'are none.';
