-- A setting as it is now, NULL when nobody knows it.
-- Parameters: name
-- Called by: mrl_pg.build.settings
select pg_catalog.current_setting(%(name)s, true)
