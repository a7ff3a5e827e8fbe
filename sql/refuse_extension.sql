-- Raises if mrl_pg is installed as an extension, because `alter extension` upgrades extensions.
-- The script of the extension itself does not run this file.
-- Called by: install.sql, mrl_pg.installation, migrations
do $check$
begin
    if exists (
        select
        from pg_catalog.pg_extension
        where extname operator(pg_catalog.=) 'mrl_pg'
    ) then
        raise exception 'mrl_pg is installed as an extension in this database'
            using errcode = 'object_not_in_prerequisite_state',
                hint = 'alter extension mrl_pg update;';
    end if;
end
$check$;
