-- Columns of a table's primary key, in its order.
-- mrl._keys_of(table_id oid) -> name[]
-- Called by: mrl._key, mrl.search_sql
create or replace function mrl._keys_of(table_id oid)
returns name[]
language sql
stable
parallel safe
return array(
    select attribute.attname
    from pg_index as state
    cross join unnest(state.indkey) with ordinality as part (number, place)
    join pg_attribute as attribute
        on attribute.attrelid = state.indrelid
        and attribute.attnum = part.number
    where state.indrelid = table_id
        and state.indisprimary
        and part.place <= state.indnkeyatts
    order by part.place
);

comment on function mrl._keys_of(oid) is
'Internal. Columns of a table''s primary key.';
