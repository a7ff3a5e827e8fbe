-- Takes distances of answers from roles that may read the searched column. It shows no rows.
-- mrl.distance_inbox
-- Called by: mrl.keep_distance
create or replace view mrl.distance_inbox as
select
    null::pg_catalog.regclass as table_id,
    null::pg_catalog.name as full_column,
    null::int as k,
    null::pg_catalog.float8 as distance,
    null::pg_catalog.name as asked_by
where false;

-- as in mrl.query_inbox
alter view mrl.distance_inbox alter column asked_by set default current_user;

create or replace trigger take
instead of insert on mrl.distance_inbox
for each row execute function mrl._take_distance();

comment on view mrl.distance_inbox is
'Internal. Takes distances of answers from columns that you may read, and shows no rows.';
