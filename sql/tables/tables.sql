-- The tables that rows of mrl_pg are about, each with values that identify the table.
-- mrl._tables
-- Called by: mrl._claim, mrl._sweep, mrl._live_tables, refresh.sql
create table if not exists mrl._tables (
    entry int generated always as identity primary key,
    -- pg_dump writes this as a name, but as a number if the table was dropped; after a
    -- restore another table may have that number
    table_id pg_catalog.regclass not null,
    -- values of mrl._identities when this row was written
    table_oid pg_catalog.oid not null,
    born pg_catalog.text not null,
    named pg_catalog.text not null,
    -- not table_id alone, because a restored number may be the OID of a restored name
    unique (table_id, table_oid, born)
);

comment on table mrl._tables is
'Internal. Tables that mrl_pg knows; mrl._live_tables says which of them still exist.';
comment on sequence mrl._tables_entry_seq is
'Internal. Numbers by which other rows refer to a table.';
