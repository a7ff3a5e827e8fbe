-- The tables of mrl._tables that still exist and are the same tables.
-- mrl._live_tables
-- Called by: mrl.registry, mrl.calibrations, mrl.measurements, mrl._claim, mrl._sweep
create or replace view mrl._live_tables as
select
    known.entry,
    known.table_id,
    identity.owner
from mrl._tables as known
join mrl._identities as identity
    on identity.table_oid operator(pg_catalog.=) known.table_id
-- a number that was written of a table is not one that a dump brought of a dropped one
where
    -- found by its name, when a dump was restored
    known.table_id operator(pg_catalog.<>) known.table_oid
    -- the very table
    or known.born operator(pg_catalog.=) identity.born
    -- a row that is older than where it stands came with pg_upgrade, which keeps numbers
    or pg_catalog.age(known.xmin) operator(pg_catalog.>) (
        select pg_catalog.age(attribute.xmin)
        from pg_catalog.pg_attribute as attribute
        where attribute.attrelid operator(pg_catalog.=) known.tableoid
            and attribute.attnum operator(pg_catalog.=) -5
    )
    -- restored, and by chance the number that it had
    or known.named operator(pg_catalog.=) identity.named;

comment on view mrl._live_tables is
'Internal. Tables that mrl_pg knows and that are still there, with their owners.';
