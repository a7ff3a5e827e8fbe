-- Recalls that were measured and kept, to watch how they change.
-- mrl._measurements
-- Called by: mrl.measurements, mrl._own_measurements
create table if not exists mrl._measurements (
    entry int not null,
    index_name name not null,
    measured_at timestamptz not null,
    k int not null,
    -- empty: every row; else a condition, with the values it was measured with
    filter text not null,
    candidates int not null,
    ef_search int not null,
    recall float8 not null,
    low float8 not null,
    high float8 not null,
    loss_graph float8 not null,
    loss_shortlist float8 not null,
    loss_prefix float8 not null,
    queries int not null,
    primary key (entry, index_name, measured_at),
    foreign key (entry, index_name) references mrl._registry on delete cascade
);

comment on table mrl._measurements is
'Internal. Recalls that were measured: read them through mrl.measurements.';
