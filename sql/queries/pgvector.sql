-- pgvector and mrl_pg in this database: versions, and the schema of the vector types.
-- No parameters; always one row.
-- Called by: mrl_pg.install, mrl_pg.catalog
select
    extension.extversion as pgvector_version,
    space.nspname::text as extension_schema,
    to_regprocedure('mrl.version()') is not null as mrl_installed
from (values (1)) as always (one)
left join pg_catalog.pg_extension as extension on extension.extname = 'vector'
left join pg_catalog.pg_namespace as space on space.oid = extension.extnamespace
