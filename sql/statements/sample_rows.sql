-- Full vectors of a table and where each row is, in the binary format of COPY.
-- Slots: full, table, sample (a tablesample clause, or nothing)
-- Called by: mrl_pg.tune.stream
copy (
    select
        sampled.tableoid,
        sampled.ctid,
        sampled.{full}
    from {table} as sampled {sample}
    where sampled.{full} is not null
) to stdout
with (format binary)
