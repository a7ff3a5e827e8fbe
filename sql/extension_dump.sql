-- Makes pg_dump write the registry's rows, though its table belongs to the extension.
-- Only in the script of the extension.
-- Called by: tools/build_extension.py
select pg_catalog.pg_extension_config_dump('mrl.registry', '');
