-- Ends what mrl-pg rotate began: rows that are written to one column, rotated into another.
-- mrl.stop_rotating('docs', 'embedding_rotated') -> void
-- Called by: people, client/rotation.sql
create or replace function mrl.stop_rotating(table_name regclass, to_column name)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $body$
declare
    slots jsonb;
begin
    perform mrl.check_owner(table_name);
    slots := mrl._table(table_name, to_column);
    if not exists (
        select
        from mrl._turners(table_name) as turner
        where turner.to_column = stop_rotating.to_column
    ) then
        raise exception 'no trigger of mrl_pg rotates vectors into column %.%',
            slots ->> 'table', slots ->> 'full'
            using errcode = 'object_not_in_prerequisite_state',
                hint = 'name the column that mrl-pg rotate filled';
    end if;
    perform mrl._unlink_rotated(table_name, to_column);
end
$body$;

comment on function mrl.stop_rotating(regclass, name) is
'Drops the triggers with which mrl-pg rotate has the server fill a column with the rotated '
'vectors of another column, as rows are written. Call it when nothing writes the old column any '
'more, before you drop that. Only the owner of the table may.';
