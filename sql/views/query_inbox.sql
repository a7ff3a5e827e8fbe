-- Takes queries from roles that may read the searched column. It shows no rows.
-- mrl.query_inbox
-- Called by: mrl.keep_query
create or replace view mrl.query_inbox as
select
    null::pg_catalog.regclass as table_id,
    null::pg_catalog.name as full_column,
    null::vector as query,
    null::pg_catalog.name as asked_by
where false;

-- the trigger's function runs with its owner's rights and cannot see the caller, so this
-- default names the caller; nobody has the right to set another value
alter view mrl.query_inbox alter column asked_by set default current_user;

create or replace trigger take
instead of insert on mrl.query_inbox
for each row execute function mrl._take_query();

comment on view mrl.query_inbox is
'Internal. Takes queries of columns that you may read, and shows no rows.';
