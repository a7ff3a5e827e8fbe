-- Takes orders of a table's owner to delete a row of the registry, calibrations or a rotation.
-- mrl._removals
-- Called by: mrl.unregister, mrl._keep_calibration, mrl.set_rotation
create or replace view mrl._removals as
select
    null::int as entry,
    null::pg_catalog.name as index_name,
    null::int as k,
    null::pg_catalog.text as filter,
    null::pg_catalog.name as asked_by,
    -- a full column that is not rotated any more
    null::pg_catalog.name as rotated
where false;

-- as in mrl._claims; roles get no right to delete, because it is also a right to lock
alter view mrl._removals alter column asked_by set default current_user;

create or replace trigger remove
instead of insert on mrl._removals
for each row execute function mrl._remove();

comment on view mrl._removals is
'Internal. Deletes rows about an index or a column of a table of yours.';
