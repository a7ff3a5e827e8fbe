-- Columns whose rows belong to tenants, the tenants that have an index, and what these find.
-- mrl._tenants, mrl._tenant_indexes, mrl._tenant_calibrations
-- Called by: mrl.tenants, mrl._own_tenants, mrl._remove
create table if not exists mrl._tenants (
    entry int not null references mrl._tables on delete cascade,
    full_column pg_catalog.name not null,
    -- the column that says whose row it is
    key_column pg_catalog.name not null,
    dims int not null check (dims operator(pg_catalog.>) 0),
    kind pg_catalog.text not null check (
        kind operator(pg_catalog.=) any ('{vector,halfvec,bit}'::pg_catalog.text[])
    ),
    distance pg_catalog.text not null check (
        distance operator(pg_catalog.=) any ('{cosine,l2,ip}'::pg_catalog.text[])
    ),
    m int not null,
    ef_construction int not null,
    -- a tenant gets an index at so many rows, and loses it below so many
    threshold pg_catalog.int8 not null check (threshold operator(pg_catalog.>=) 1),
    low pg_catalog.int8 not null check (
        low operator(pg_catalog.>=) 0 and low operator(pg_catalog.<=) threshold
    ),
    -- the most indexes, because each makes every plan of the table a little slower
    most int not null check (most operator(pg_catalog.>=) 0),
    set_at pg_catalog.timestamptz not null default pg_catalog.now(),
    primary key (entry, full_column)
);

-- How many rows a tenant has is not stored, because every role may read this table.
create table if not exists mrl._tenant_indexes (
    entry int not null,
    full_column pg_catalog.name not null,
    -- the value of the key, as text
    tenant pg_catalog.text not null,
    index_name pg_catalog.name not null,
    -- the type of the key when the index was made: the planner does not use the index for another
    key_type pg_catalog.text not null,
    -- how much of the exact answers the index found, if that was measured
    recall pg_catalog.float8,
    k int,
    -- the lower end of its 95 % interval, and on how many queries it was measured
    low pg_catalog.float8,
    queries int,
    measured_at pg_catalog.timestamptz,
    primary key (entry, full_column, tenant),
    foreign key (entry, full_column) references mrl._tenants
        on update cascade on delete cascade
);

-- Searches of single tenants as mrl._calibrations has them, without a filter: the index of a tenant
-- has the rows of the tenant alone. How many these are is no secret of a tenant with an index,
-- because PostgreSQL shows every role about how many rows an index has.
create table if not exists mrl._tenant_calibrations (
    like mrl._calibrations including constraints including defaults,
    full_column pg_catalog.name not null,
    tenant pg_catalog.text not null,
    unique nulls not distinct (
        entry, full_column, tenant, k, filter, candidates, ef_search, rerank
    ),
    foreign key (entry, full_column, tenant) references mrl._tenant_indexes
        on update cascade on delete cascade
);

comment on table mrl._tenants is
'Internal. Columns whose rows belong to tenants; read them through mrl.tenants.';
comment on table mrl._tenant_indexes is
'Internal. Indexes of single tenants that mrl_pg made; read them through mrl.tenant_indexes.';
comment on table mrl._tenant_calibrations is
'Internal. Measured searches of single tenants. Read them through mrl.calibrations.';
