-- Lets every role use mrl_pg on its own tables, and revokes every other right.
-- No signature. It also revokes rights that default privileges granted.
-- Called by: install.sql, mrl_pg.installation, migrations
do $grants$
begin
    perform mrl._grant();
end
$grants$;
