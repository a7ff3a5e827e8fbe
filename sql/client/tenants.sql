-- What Python sends about tenants.

-- name: tenant
-- How a search of one tenant is to be made: its key, and its index if it has one.
-- Slots: table (a name), column, tenant (literals, because SQLAlchemy sends it, too)
-- Called by: mrl_pg.search.tenant
select
    own.key_column::pg_catalog.text,
    own.key_type,
    own.key_text,
    own.dims,
    own.kind,
    own.distance,
    own.m,
    own.ef_construction,
    own.index_name::pg_catalog.text
from mrl._tenant(
    pg_catalog.to_regclass({table})::pg_catalog.oid,
    {column}::pg_catalog.name,
    {tenant}::pg_catalog.text
) as own

-- name: set_tenants
-- Says which column tells whose row it is, and when a tenant gets an index; NULL: none.
-- Parameters: table (a name), column, key, threshold, low, most, dims, kind, distance, m, …
-- Called by: mrl_pg.build.tenants
select mrl.set_tenants(
    %(table)s::pg_catalog.regclass,
    %(column)s::pg_catalog.name,
    %(key)s::pg_catalog.name,
    threshold => %(threshold)s::pg_catalog.int8,
    low => %(low)s::pg_catalog.int8,
    most => %(most)s::pg_catalog.int4,
    dims => %(dims)s::pg_catalog.int4,
    kind => %(kind)s::pg_catalog.text,
    distance => %(distance)s::pg_catalog.text,
    m => %(m)s::pg_catalog.int4,
    ef_construction => %(ef_construction)s::pg_catalog.int4
)

-- name: tenant_steps
-- The statements that bring the indexes of tenants up to date, in order.
-- Parameters: table (a name), column, drop_all
-- Called by: mrl_pg.build.tenants
select
    todo.step,
    todo.tenant,
    todo.rows,
    todo.index_name::pg_catalog.text,
    todo.statement,
    todo.how
from mrl._tenant_steps(
    %(table)s::pg_catalog.regclass, %(column)s::pg_catalog.name, %(drop_all)s::pg_catalog.bool
) as todo

-- name: tenant_indexes
-- The tenants of a column that have an index, the largest first.
-- Parameters: table (a name), column
-- Called by: mrl_pg.build.tenants
select
    own.tenant,
    own.index_name::pg_catalog.text,
    own.state,
    own.estimated_rows,
    own.index_bytes,
    own.recall,
    own.k,
    own.low,
    own.queries,
    own.calibrated_rows
from mrl.tenant_indexes as own
where own.table_name operator(pg_catalog.=) %(table)s::pg_catalog.regclass
    and own.full_column operator(pg_catalog.=) %(column)s::pg_catalog.name
order by own.estimated_rows desc nulls last, own.tenant

-- name: tenant_recall
-- Measures how much of the exact answers the index of a tenant finds.
-- Parameters: table (a name), column, tenant, k, sample
-- Called by: mrl_pg.build.tenants
select mrl.tenant_recall(
    %(table)s::pg_catalog.regclass,
    %(column)s::pg_catalog.name,
    %(tenant)s::pg_catalog.text,
    k => %(k)s::pg_catalog.int4,
    sample => %(sample)s::pg_catalog.int4
) as recall

-- name: calibrate_tenant
-- Measures and stores which searches of a tenant keep which recall.
-- Parameters: table (a name), column, tenant
-- Called by: mrl_pg.build.tenants
select pg_catalog.count(*) as searches
from mrl.calibrate(
    %(table)s::pg_catalog.regclass,
    %(column)s::pg_catalog.name,
    tenant => %(tenant)s::pg_catalog.text
)
