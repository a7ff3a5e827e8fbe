-- Registry rows of tables that the caller owns. They are written through this view only.
-- mrl._own_registry
-- Called by: mrl.register, mrl._keep_calibration
create or replace view mrl._own_registry
with (security_barrier)
as
select
    registry.entry,
    registry.full_column,
    registry.short_column,
    registry.index_name,
    registry.dims,
    registry.kind,
    registry.distance,
    registry.created_at,
    registry.computed_as,
    registry.kept_as,
    registry.chosen_at,
    registry.in_place_of,
    registry.default_name
from mrl._registry as registry
where exists (
    select
    from mrl._live_tables as live
    where live.entry operator(pg_catalog.=) registry.entry
        -- the calling role; within a security definer function, that function's owner
        and pg_catalog.pg_has_role(current_user, live.owner, 'usage')
)
with cascaded check option;

comment on view mrl._own_registry is
'Internal. Rows of mrl._registry about tables that you own, to be read and written.';
