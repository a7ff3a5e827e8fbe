-- Columns whose rows belong to tenants, and when a tenant gets an index. Every role may read them.
-- mrl.tenants
-- Called by: people, mrl._tenant_settings
create or replace view mrl.tenants as
select
    live.table_id,
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
    settings.set_at,
    settings.entry
from mrl._tenants as settings
join mrl._live_tables as live on live.entry operator(pg_catalog.=) settings.entry;

comment on view mrl.tenants is
'Full columns whose rows belong to tenants: the column with the key, the rows at which a '
'tenant gets an index of its own (threshold) and below which it loses it (low), the most '
'indexes, and what they are like. mrl.set_tenants writes it.';
