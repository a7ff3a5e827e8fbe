-- The tables that other rows refer to, each with what identifies it.
-- mrl._tables
-- Called by: mrl._claim, mrl._sweep, mrl._live_tables, refresh.sql
create table if not exists mrl._tables (
    entry int generated always as identity primary key,
    -- pg_dump writes it as a name, and that of a dropped table as a number, which after
    -- a restore may be anybody's
    table_id pg_catalog.regclass not null,
    -- when this row was written, as mrl._identities has them
    table_oid pg_catalog.oid not null,
    born pg_catalog.text not null,
    named pg_catalog.text not null,
    -- not table_id alone: a restore may bring a number beside a name
    unique (table_id, table_oid, born)
);

comment on table mrl._tables is
'Internal. Tables that mrl_pg knows; mrl._live_tables says which of them are still there.';
comment on sequence mrl._tables_entry_seq is
'Internal. Numbers that rows about a table bear.';
