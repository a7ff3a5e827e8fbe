-- Restores the search path that the caller had before `schema.sql`.
-- It matters to callers that install inside their own transaction.
-- Called by: install.sql, mrl_pg.installation, migrations
do $restore$
begin
    perform pg_catalog.set_config(
        'search_path', pg_catalog.current_setting('mrl.search_path'), true
    );
end
$restore$;
