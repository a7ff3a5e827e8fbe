-- Models of columns of tables that the caller owns. They are written through this view only.
-- mrl._own_models
-- Called by: mrl.set_model
create or replace view mrl._own_models
with (security_barrier)
as
select
    filled.entry,
    filled.full_column,
    filled.model,
    filled.set_at
from mrl._column_models as filled
where exists (
    select
    from mrl._live_tables as live
    where live.entry operator(pg_catalog.=) filled.entry
        -- the calling role; within a security definer function, that function's owner
        and pg_catalog.pg_has_role(current_user, live.owner, 'usage')
)
with cascaded check option;

comment on view mrl._own_models is
'Internal. Rows of mrl._column_models about tables that you own, to be read and written.';
