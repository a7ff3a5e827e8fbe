-- Lets every role use mrl_pg on its own tables; the registry guards its rows by itself.
-- No signature: it grants on the schema and what is in it.
-- Called by: install.sql, mrl_pg.install
grant usage on schema mrl to public;
grant select on mrl.indexes to public;
grant select, insert, update, delete on mrl.registry to public;
