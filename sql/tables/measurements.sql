-- Recalls that were measured and kept, to watch how they change; all may read it.
-- mrl.measurements
-- Called by: mrl.recall, mrl._keep_measurement
create table if not exists mrl.measurements (
    table_id regclass not null,
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
    primary key (table_id, index_name, measured_at),
    foreign key (table_id, index_name) references mrl.registry on delete cascade
);

comment on table mrl.measurements is
'Recalls as mrl.recall(…, keep => true) measured them, with their 95 % interval and losses.';

revoke all on mrl.measurements from public;
grant select on mrl.measurements to public;
