-- Installs or upgrades mrl_pg in the current database, in one transaction.
-- Run: psql -X -f sql/install.sql   (pgvector 0.8 or later must be installed first)
-- Called by: people, mrl_pg.installation; both run the files below in order
\set ON_ERROR_STOP on
begin;
set local client_min_messages = warning;
\ir releases/0.2.0.sql
commit;
select pg_catalog.format('mrl_pg %s is installed', mrl.version()) as result;
