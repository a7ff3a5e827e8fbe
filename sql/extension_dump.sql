-- Makes pg_dump write what mrl_pg knows, though the tables are the extension's.
-- Only in the script of the extension.
-- Called by: tools/build_extension.py
select pg_catalog.pg_extension_config_dump('mrl.registry', '');
select pg_catalog.pg_extension_config_dump('mrl.calibrations', '');
select pg_catalog.pg_extension_config_dump('mrl.measurements', '');
select pg_catalog.pg_extension_config_dump('mrl.query_sampling', '');
