-- Makes pg_dump write registry and calibrations, though their tables are the extension's.
-- Only in the script of the extension.
-- Called by: tools/build_extension.py
select pg_catalog.pg_extension_config_dump('mrl.registry', '');
select pg_catalog.pg_extension_config_dump('mrl.calibrations', '');
