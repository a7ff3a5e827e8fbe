-- Lets every role use mrl_pg on its own tables; mrl.register checks whose they are.
-- No signature: it grants on the schema and what is in it.
-- Called by: install.sql, mrl_pg.install
revoke create on schema mrl from public;
grant usage on schema mrl to public;
grant execute on all functions in schema mrl to public;
grant select on mrl.indexes to public;
