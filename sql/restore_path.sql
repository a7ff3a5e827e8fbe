-- Gives the caller back the search path that `schema.sql` found.
-- For those who install inside a transaction of their own.
-- Called by: install.sql, mrl_pg.install, migrations
do $restore$
begin
    perform pg_catalog.set_config(
        'search_path', pg_catalog.current_setting('mrl.search_path'), true
    );
end
$restore$;
