-- Full columns that hold rotated vectors. Every role may read them.
-- mrl.column_rotations
-- Called by: people, mrl._rotated, mrl.set_rotation, client/rotation.sql
create or replace view mrl.column_rotations as
select
    live.table_id,
    attribute.attname as full_column,
    turned.version,
    turned.dims,
    turned.provenance,
    turned.set_at,
    -- by which mrl._rotation_rows names the matrix
    turned.entry,
    turned.full_column as known_as
from mrl._rotations as turned
join mrl._live_tables as live on live.entry operator(pg_catalog.=) turned.entry
join pg_catalog.pg_attribute as attribute
    on attribute.attrelid operator(pg_catalog.=) live.table_id
    and attribute.attnum operator(pg_catalog.>) 0
    and not attribute.attisdropped
    -- a restored table may have given its columns other numbers
    and case
        when live.born operator(pg_catalog.=) turned.born
        then attribute.attnum operator(pg_catalog.=) turned.full_number
        else attribute.attname operator(pg_catalog.=) turned.full_column
    end;

comment on view mrl.column_rotations is
'Full columns that hold rotated vectors: the version of the rotation, a digest of its matrix, '
'and how it was fitted. mrl_pg rotates each query of such a column; for other statements, '
'mrl.rotate and mrl.unrotate do that.';
