-- Parts of tables that the caller owns. They are written through these views only.
-- mrl._own_parts, mrl._own_part_centres
-- Called by: mrl.set_parts
create or replace view mrl._own_parts
with (security_barrier)
as
select
    settings.entry,
    settings.full_column,
    settings.part_column,
    settings.distance,
    settings.set_at
from mrl._parts as settings
where exists (
    select
    from mrl._live_tables as live
    where live.entry operator(pg_catalog.=) settings.entry
        -- the calling role; within a security definer function, that function's owner
        and pg_catalog.pg_has_role(current_user, live.owner, 'usage')
)
with cascaded check option;

create or replace view mrl._own_part_centres
with (security_barrier)
as
select
    part.entry,
    part.full_column,
    part.part,
    part.centre
from mrl._part_centres as part
where part.entry operator(pg_catalog.=) any (
    select live.entry
    from mrl._live_tables as live
    where pg_catalog.pg_has_role(current_user, live.owner, 'usage')
)
with cascaded check option;

comment on view mrl._own_parts is
'Internal. Rows of mrl._parts about tables that you own, to be read and written.';
comment on view mrl._own_part_centres is
'Internal. Rows of mrl._part_centres about tables that you own, to be read and written.';
