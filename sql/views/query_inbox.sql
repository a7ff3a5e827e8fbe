-- Where a role that may read a column leaves a query of it, and can do nothing else.
-- mrl.query_inbox
-- Called by: mrl.keep_query
create or replace view mrl.query_inbox as
select
    null::pg_catalog.regclass as table_id,
    null::pg_catalog.name as full_column,
    null::vector as query,
    null::pg_catalog.name as asked_by
where false;

-- a function that runs with its owner's rights cannot know who calls: this says so, and
-- nobody may say another
alter view mrl.query_inbox alter column asked_by set default current_user;

create or replace trigger take
instead of insert on mrl.query_inbox
for each row execute function mrl._take_query();

comment on view mrl.query_inbox is
'Internal. Takes queries of the columns that you may read, and shows none.';
