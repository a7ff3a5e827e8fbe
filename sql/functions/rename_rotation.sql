-- Says which name a rotated column has by now, if it was renamed before a dump.
-- mrl.rename_rotation('docs', 'embedding', 'vectors') -> void
-- Called by: people
create or replace function mrl.rename_rotation(
    table_name regclass,
    old_name name,
    -- NULL means that the column was dropped
    full_column name
)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $body$
#variable_conflict use_column
declare
    lost record;
    slots jsonb;
    claimed int;
begin
    perform mrl.check_owner(table_name);
    select *
    into lost
    from mrl._lost_rotations(table_name) as known
    where known.known_as = old_name;
    if not found then
        raise exception 'no rotation of % lost a column %', table_name, quote_ident(old_name)
            using errcode = 'object_not_in_prerequisite_state',
                hint = 'mrl.status shows those that did; a rename without a dump needs no call';
    end if;
    if rename_rotation.full_column is not null then
        slots := mrl._table(table_name, rename_rotation.full_column);
        if (slots ->> 'full_dims')::int <> lost.dims then
            raise exception 'the rotation is for % dimensions, and %.% has %',
                lost.dims, slots ->> 'table', slots ->> 'full', slots ->> 'full_dims'
                using errcode = 'invalid_parameter_value',
                    hint = 'name the column that holds the rotated vectors';
        elsif exists (
            select
            from mrl.column_rotations as known
            where known.table_id = table_name
                and known.full_column = rename_rotation.full_column
        ) then
            raise exception 'column %.% has a rotation of its own',
                slots ->> 'table', slots ->> 'full'
                using errcode = 'object_not_in_prerequisite_state',
                    hint = 'name another column, or NULL if the column was dropped';
        end if;
    end if;
    insert into mrl._claims (table_id)
    values (table_name)
    returning _claims.entry into claimed;
    insert into mrl._own_rotations (
        entry, full_column, full_number, born, version, dims, provenance, set_at
    )
    select
        claimed,
        attribute.attname,
        attribute.attnum,
        live.born,
        turned.version,
        turned.dims,
        turned.provenance,
        now()
    from mrl._rotations as turned
    join mrl._live_tables as live on live.entry = turned.entry
    join pg_attribute as attribute
        on attribute.attrelid = live.table_id
        and attribute.attname = rename_rotation.full_column
    where turned.entry = claimed
        and turned.full_column = old_name;
    insert into mrl._own_rotation_rows (entry, full_column, back, place, weights)
    select part.entry, rename_rotation.full_column, part.back, part.place, part.weights
    from mrl._rotation_rows as part
    where part.entry = claimed
        and part.full_column = old_name
        and rename_rotation.full_column is not null;
    insert into mrl._removals (entry, rotated) values (claimed, old_name);
end
$body$;

comment on function mrl.rename_rotation(regclass, name, name) is
'Says which name a rotated column of a table you own has by now, or with NULL that it was '
'dropped. Only a column that was renamed, and then dumped and restored, needs that: until then, '
'searches of columns of so many dimensions are refused. mrl.status shows it.';
