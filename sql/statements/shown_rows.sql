-- Columns of some rows as text, cut: rows are named by table and place.
-- Slots: columns (each cut), table, oids, tids
-- Called by: mrl_pg.tune.examples
select
    shown.tableoid,
    shown.ctid::text,
    {columns}
from {table} as shown
-- the first finds them without a scan, the second tells partitions apart
where shown.ctid = any({tids}::tid[])
    and (shown.tableoid, shown.ctid) in (
        select wanted.oid, wanted.tid
        from unnest({oids}::oid[], {tids}::tid[]) as wanted (oid, tid)
    )
