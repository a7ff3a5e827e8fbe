-- Removes the objects that install.sql made, in one transaction; short columns and indexes stay.
-- Run: psql -X -f sql/uninstall.sql
-- Called by: people, mrl_pg.uninstall; both run the file below
\set ON_ERROR_STOP on
begin;
set local client_min_messages = warning;
\ir drop.sql
commit;
