-- Deletes queries that were kept: all, or those of the days before one.
-- mrl.forget_queries('docs', 'embedding', before => current_date - 30) -> int
-- Called by: people, queries/forget_queries.sql
create or replace function mrl.forget_queries(
    table_name regclass,
    full_column name,
    before date default null
)
returns int
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $body$
declare
    forgotten int;
begin
    -- as mrl.check_owner did
    if not pg_has_role(
        coalesce(nullif(current_setting('role'), 'none'), session_user),
        (select relowner from pg_class where oid = table_name),
        'usage'
    ) then
        raise exception 'role % does not own table %', session_user, table_name
            using errcode = 'insufficient_privilege';
    end if;
    -- so that nobody drops the room meanwhile
    lock table mrl.query_sampling in share update exclusive mode;
    if to_regclass('mrl.query_slots') is null then
        return 0;
    end if;
    update mrl.query_slots as slot
    set kept_on = null,
        query = null
    where slot.table_id = table_name
        and slot.full_column = forget_queries.full_column
        and slot.kept_on is not null
        and (before is null or slot.kept_on < before);
    get diagnostics forgotten = row_count;
    perform mrl._drop_query_slots();
    return forgotten;
end
$body$;

comment on function mrl.forget_queries(regclass, name, date) is
'Deletes the queries that were kept of a column of a table you own, or those kept before a '
'day, and answers how many. Sampling goes on: mrl.sample_queries(…, share => 0) ends it.';
