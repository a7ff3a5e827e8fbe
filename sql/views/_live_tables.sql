-- The tables of mrl._tables that still exist and are the same tables.
-- mrl._live_tables
-- Called by: mrl.registry, mrl.calibrations, mrl.measurements, mrl._claim, mrl._sweep
create or replace view mrl._live_tables as
select
    known.entry,
    known.table_id,
    identity.owner,
    identity.born
from mrl._tables as known
join mrl._identities as identity
    on identity.table_oid operator(pg_catalog.=) known.table_id
-- leaves out numbers of dropped tables that a dump brought and other tables have by now
where
    -- a restored dump named the table, and the table has a new number
    known.table_id operator(pg_catalog.<>) known.table_oid
    -- the table has its name, or a restored dump named it and it has its old number by chance.
    -- First, because a search asks this, and `born` reads a file
    or known.named operator(pg_catalog.=) identity.named
    -- the table is the same
    or known.born operator(pg_catalog.=) identity.born
    -- a row that is older than mrl._tables came with pg_upgrade, which keeps numbers
    or pg_catalog.age(known.xmin) operator(pg_catalog.>) (
        select pg_catalog.age(attribute.xmin)
        from pg_catalog.pg_attribute as attribute
        where attribute.attrelid operator(pg_catalog.=) known.tableoid
            and attribute.attnum operator(pg_catalog.=) -5
    );

comment on view mrl._live_tables is
'Internal. Tables that mrl_pg knows and that still exist, with their owners.';
