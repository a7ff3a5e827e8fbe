-- Stored measurements of recall, which show how recall changes over time.
-- mrl._measurements
-- Called by: mrl.measurements, mrl._own_measurements
create table if not exists mrl._measurements (
    entry int not null,
    index_name pg_catalog.name not null,
    measured_at pg_catalog.timestamptz not null,
    k int not null,
    -- empty for every row, else a condition and the values it was measured with
    filter pg_catalog.text not null,
    -- both are NULL for exact search, which is not measured
    candidates int,
    ef_search int,
    -- how many candidates were read in full; NULL if all were
    rerank int,
    recall pg_catalog.float8 not null,
    low pg_catalog.float8 not null,
    high pg_catalog.float8 not null,
    loss_graph pg_catalog.float8 not null,
    loss_shortlist pg_catalog.float8 not null,
    loss_prefix pg_catalog.float8 not null,
    queries int not null,
    -- how many rows had ever changed, as mrl._counts says, and which graph was measured, as
    -- mrl._graph_mark says
    changes bigint,
    graph pg_catalog.text,
    primary key (entry, index_name, measured_at),
    foreign key (entry, index_name) references mrl._registry
        on update cascade on delete cascade
);

comment on table mrl._measurements is
'Internal. Stored measurements of recall. Read them through mrl.measurements.';
