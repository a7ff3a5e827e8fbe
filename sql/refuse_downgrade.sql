-- Refuses to go on when the version that `schema.sql` found is newer than this one.
-- After functions/version.sql, the only file that holds the number.
-- Called by: install.sql, mrl_pg.install, migrations
do $check$
declare
    found pg_catalog.text := pg_catalog.current_setting('mrl.found_version');
    -- of 1.2.3.dev4 the part 1.2.3
    digits pg_catalog.text := '^[0-9]+(?:[.][0-9]+)*';
begin
    if pg_catalog.string_to_array(substring(found from digits), '.')::int[]
        operator(pg_catalog.>)
        pg_catalog.string_to_array(substring(mrl.version() from digits), '.')::int[]
    then
        raise exception
            'the database holds mrl_pg %, newer than this package (%)',
            found, mrl.version()
            using errcode = 'object_not_in_prerequisite_state',
                hint = 'upgrade the package';
    end if;
end
$check$;
