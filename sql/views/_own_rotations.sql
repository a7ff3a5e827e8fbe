-- Rotations of columns of tables that the caller owns. They are written through these views only.
-- mrl._own_rotations, mrl._own_rotation_rows
-- Called by: mrl.set_rotation
create or replace view mrl._own_rotations
with (security_barrier)
as
select
    turned.entry,
    turned.full_column,
    turned.full_number,
    turned.born,
    turned.version,
    turned.dims,
    turned.provenance,
    turned.set_at
from mrl._rotations as turned
where exists (
    select
    from mrl._live_tables as live
    where live.entry operator(pg_catalog.=) turned.entry
        -- the calling role; within a security definer function, that function's owner
        and pg_catalog.pg_has_role(current_user, live.owner, 'usage')
)
with cascaded check option;

create or replace view mrl._own_rotation_rows
with (security_barrier)
as
select
    part.entry,
    part.full_column,
    part.back,
    part.place,
    part.weights
from mrl._rotation_rows as part
where part.entry operator(pg_catalog.=) any (
    select live.entry
    from mrl._live_tables as live
    where pg_catalog.pg_has_role(current_user, live.owner, 'usage')
)
with cascaded check option;

comment on view mrl._own_rotations is
'Internal. Rows of mrl._rotations about tables that you own, to be read and written.';
comment on view mrl._own_rotation_rows is
'Internal. Rows of mrl._rotation_rows about tables that you own, to be read and written.';
