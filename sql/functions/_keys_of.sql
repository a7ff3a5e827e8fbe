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
    from pg_catalog.pg_index as state
    cross join pg_catalog.unnest(state.indkey) with ordinality as part (number, place)
    join pg_catalog.pg_attribute as attribute
        on attribute.attrelid operator(pg_catalog.=) state.indrelid
        and attribute.attnum operator(pg_catalog.=) part.number
    where state.indrelid operator(pg_catalog.=) table_id
        and state.indisprimary
        and part.place operator(pg_catalog.<=) state.indnkeyatts
    order by part.place
);

comment on function mrl._keys_of(oid) is
'Internal. Columns of a table''s primary key.';
