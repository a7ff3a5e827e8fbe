-- Columns of some rows as text, cut: rows are named by table and place.
-- Slots: columns (each cut), table, oids, tids
-- Called by: mrl_pg.tune.examples
select
    shown.tableoid,
    shown.ctid::pg_catalog.text,
    {columns}
from {table} as shown
-- the first finds them without a scan, the second tells partitions apart
where shown.ctid operator(pg_catalog.=) any({tids}::pg_catalog.tid[])
    and (shown.tableoid, shown.ctid) operator(pg_catalog.=) any (
        select wanted.oid, wanted.tid
        from rows from (
            pg_catalog.unnest({oids}::pg_catalog.oid[]),
            pg_catalog.unnest({tids}::pg_catalog.tid[])
        ) as wanted (oid, tid)
    )
