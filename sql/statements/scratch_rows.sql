-- Copies the sampled rows, but for those that are queries; sampled as they were read.
-- Slots: scratch, full, table, sample (a tablesample clause, or nothing), oids, tids
-- Called by: mrl_pg.tune.scratch
insert into {scratch} (embedding)
select sampled.{full}
from {table} as sampled {sample}
where sampled.{full} is not null
    and (sampled.tableoid, sampled.ctid) not in (
        select held.oid, held.tid
        from unnest({oids}::oid[], {tids}::tid[]) as held (oid, tid)
    )
