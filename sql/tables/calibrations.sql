-- Measured recall and time of searches on your own rows.
-- mrl._calibrations
-- Called by: mrl.calibrations, mrl._own_calibrations
create table if not exists mrl._calibrations (
    entry int not null,
    index_name pg_catalog.name not null,
    k int not null check (k operator(pg_catalog.>) 0),
    -- empty for every row, else a condition and the values it was measured with
    filter pg_catalog.text not null,
    candidates int not null check (candidates operator(pg_catalog.>=) k),
    ef_search int not null check (
        ef_search operator(pg_catalog.>=) 1
            and ef_search operator(pg_catalog.<=) 1000
    ),
    -- the share of the table's rows that the filter selects
    share pg_catalog.float8 not null check (
        share operator(pg_catalog.>) 0
            and share operator(pg_catalog.<=) 1
    ),
    recall pg_catalog.float8 not null,
    low pg_catalog.float8 not null,
    median_ms pg_catalog.float8 not null,
    p95_ms pg_catalog.float8 not null,
    queries int not null,
    rows bigint not null,
    m int not null,
    ef_construction int not null,
    measured_at pg_catalog.timestamptz not null default pg_catalog.now(),
    primary key (entry, index_name, k, filter, candidates, ef_search),
    foreign key (entry, index_name) references mrl._registry
        on update cascade on delete cascade
);

comment on table mrl._calibrations is
'Internal. Measured searches. Read them through mrl.calibrations.';
