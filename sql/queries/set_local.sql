-- Changes a setting until the transaction ends.
-- Parameters: name, value
-- Called by: mrl_pg.build.settings
select pg_catalog.set_config(%(name)s, %(value)s, true)
