-- Takes one short column out of the registry.
-- mrl.unregister(table_id regclass, index_name name) -> void
-- Called by: client/build.sql
create or replace function mrl.unregister(table_id regclass, index_name name)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $body$
begin
    perform mrl.check_owner(unregister.table_id);
    insert into mrl._removals (entry, index_name)
    select live.entry, unregister.index_name
    from mrl._live_tables as live
    where live.table_id = unregister.table_id;
end
$body$;

comment on function mrl.unregister(regclass, name) is
'Takes one short column of a table you own out of mrl.registry.';
