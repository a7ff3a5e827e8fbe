-- Takes orders of a table's owner to delete rows about an index, a rotation, tenants or parts.
-- mrl._removals
-- Called by: mrl.unregister, mrl._keep_calibration, mrl.set_rotation, mrl.set_tenants, …
create or replace view mrl._removals as
select
    null::int as entry,
    null::pg_catalog.name as index_name,
    null::int as k,
    null::pg_catalog.text as filter,
    null::pg_catalog.name as asked_by,
    -- a full column that is not rotated any more
    null::pg_catalog.name as rotated,
    -- a full column whose rows belong to no tenants any more, or one tenant without an index
    null::pg_catalog.name as tenants_of,
    null::pg_catalog.text as tenant,
    -- a full column by whose likeness its table is not partitioned any more
    null::pg_catalog.name as parts_of
where false;

-- as in mrl._claims; roles get no right to delete, because it is also a right to lock
alter view mrl._removals alter column asked_by set default current_user;

create or replace trigger remove
instead of insert on mrl._removals
for each row execute function mrl._remove();

comment on view mrl._removals is
'Internal. Deletes rows about an index or a column of a table of yours.';
