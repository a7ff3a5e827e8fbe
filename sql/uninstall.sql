-- Removes what install.sql made, in one transaction; short columns and indexes stay.
-- Run: psql -X -f sql/uninstall.sql
-- Python's mrl_pg.uninstall(conn) runs the file named below.
\set ON_ERROR_STOP on
begin;
set local client_min_messages = warning;
\ir drop.sql
commit;
