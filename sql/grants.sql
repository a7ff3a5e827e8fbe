-- Lets every role use mrl_pg on its own tables, and nobody else do more than that.
-- No signature: what others were granted, by default privileges too, is taken away.
-- Called by: install.sql, mrl_pg.install, migrations
do $grants$
begin
    perform mrl._grant();
end
$grants$;
