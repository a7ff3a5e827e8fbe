-- Raises if the version that `schema.sql` read in the database is newer than this version.
-- Runs after functions/version.sql, the only file that holds the number.
-- Called by: install.sql, mrl_pg.installation, migrations
do $check$
declare
    installed pg_catalog.text := pg_catalog.current_setting('mrl.found_version');
    -- matches 1.2.3 in 1.2.3.dev4
    digits pg_catalog.text := '^[0-9]+(?:[.][0-9]+)*';
begin
    if pg_catalog.string_to_array(substring(installed from digits), '.')::int[]
        operator(pg_catalog.>)
        pg_catalog.string_to_array(substring(mrl.version() from digits), '.')::int[]
    then
        raise exception
            'the database holds mrl_pg %, newer than this package (%)',
            installed, mrl.version()
            using errcode = 'object_not_in_prerequisite_state',
                hint = 'upgrade the package';
    end if;
end
$check$;
