-- Measured recall and time of searches on your own rows.
-- mrl._calibrations
-- Called by: mrl.calibrations, mrl._own_calibrations
create table if not exists mrl._calibrations (
    entry int not null,
    index_name pg_catalog.name not null,
    k int not null check (k operator(pg_catalog.>) 0),
    -- empty for every row, else a condition and the values it was measured with
    filter pg_catalog.text not null,
    -- both are NULL for exact search
    candidates int check (candidates operator(pg_catalog.>=) k),
    ef_search int check (
        ef_search operator(pg_catalog.>=) 1
            and ef_search operator(pg_catalog.<=) 1000
    ),
    -- how many candidates are read in full; NULL if all are
    rerank int check (
        rerank operator(pg_catalog.>=) k
            and rerank operator(pg_catalog.<=) candidates
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
    -- what the queries were: real queries, rows chosen by the distances of real answers, rows
    -- though real queries are unlike them, rows that the filter turns away, because they found
    -- less than those that it lets through, or rows alone
    basis pg_catalog.text check (
        basis operator(pg_catalog.=) any (
            '{queries,distances,unlike,outside,rows}'::pg_catalog.text[]
        )
    ),
    -- the 5th percentile of the recall of single queries
    p05 pg_catalog.float8,
    -- the recalls that single queries had, ascending and distinct, and how many queries had
    -- each; with weights, as many parts of the effective number of queries (Kish, 1965)
    shares pg_catalog.float8[],
    weights pg_catalog.float8[],
    -- 21 quantiles (0, .05, … 1) of the exact distance of the k-th row, over the queries
    reach pg_catalog.float8[],
    -- what queries missed whose k-th row is so far away as each of these, rising; NULL if exact
    misses pg_catalog.float8[],
    -- rows inserted, updated and deleted until then, as PostgreSQL counts them
    changes bigint,
    -- what identified the table then, as in mrl._tables
    born pg_catalog.text,
    unique nulls not distinct (entry, index_name, k, filter, candidates, ef_search, rerank),
    check ((candidates is null) operator(pg_catalog.=) (ef_search is null)),
    foreign key (entry, index_name) references mrl._registry
        on update cascade on delete cascade
);

comment on table mrl._calibrations is
'Internal. Measured searches. Read them through mrl.calibrations.';
