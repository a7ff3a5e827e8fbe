-- Copies the sampled rows, but for those that are queries; sampled as they were read.
-- Slots: scratch, full, table, sample (a tablesample clause, or nothing), oids, tids
-- Called by: mrl_pg.tune.scratch
insert into {scratch} (embedding)
select sampled.{full}
from {table} as sampled {sample}
where sampled.{full} is not null
    and not (sampled.tableoid, sampled.ctid) operator(pg_catalog.=) any (
        select held.oid, held.tid
        from rows from (
            pg_catalog.unnest({oids}::pg_catalog.oid[]),
            pg_catalog.unnest({tids}::pg_catalog.tid[])
        ) as held (oid, tid)
    )
