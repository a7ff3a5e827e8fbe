-- Settings and indexes of tenants of tables that the caller owns, written through these alone.
-- mrl._own_tenants, mrl._own_tenant_indexes, mrl._own_tenant_calibrations
-- Called by: mrl.set_tenants
create or replace view mrl._own_tenants
with (security_barrier)
as
select
    settings.entry,
    settings.full_column,
    settings.key_column,
    settings.dims,
    settings.kind,
    settings.distance,
    settings.m,
    settings.ef_construction,
    settings.threshold,
    settings.low,
    settings.most,
    settings.set_at
from mrl._tenants as settings
where exists (
    select
    from mrl._live_tables as live
    where live.entry operator(pg_catalog.=) settings.entry
        -- the calling role; within a security definer function, that function's owner
        and pg_catalog.pg_has_role(current_user, live.owner, 'usage')
)
with cascaded check option;

create or replace view mrl._own_tenant_indexes
with (security_barrier)
as
select
    made.entry,
    made.full_column,
    made.tenant,
    made.index_name,
    made.key_type,
    made.recall,
    made.k,
    made.low,
    made.queries,
    made.measured_at
from mrl._tenant_indexes as made
where exists (
    select
    from mrl._live_tables as live
    where live.entry operator(pg_catalog.=) made.entry
        and pg_catalog.pg_has_role(current_user, live.owner, 'usage')
)
with cascaded check option;

create or replace view mrl._own_tenant_calibrations
with (security_barrier)
as
select
    point.entry,
    point.full_column,
    point.tenant,
    point.index_name,
    point.k,
    point.filter,
    point.candidates,
    point.ef_search,
    point.rerank,
    point.share,
    point.recall,
    point.low,
    point.median_ms,
    point.p95_ms,
    point.queries,
    point.rows,
    point.m,
    point.ef_construction,
    point.measured_at,
    point.basis,
    point.p05,
    point.shares,
    point.weights,
    point.reach,
    point.misses,
    point.changes,
    point.born
from mrl._tenant_calibrations as point
where exists (
    select
    from mrl._live_tables as live
    where live.entry operator(pg_catalog.=) point.entry
        and pg_catalog.pg_has_role(current_user, live.owner, 'usage')
)
with cascaded check option;

comment on view mrl._own_tenants is
'Internal. Rows of mrl._tenants about tables that you own, to be read and written.';
comment on view mrl._own_tenant_indexes is
'Internal. Rows of mrl._tenant_indexes about tables that you own, to be read and written.';
comment on view mrl._own_tenant_calibrations is
'Internal. Rows of mrl._tenant_calibrations about tables that you own, to be read and written.';
