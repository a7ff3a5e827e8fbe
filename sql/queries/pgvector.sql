-- pgvector and mrl_pg in this database: versions, and the schema of the vector types.
-- No parameters; always one row.
-- Called by: mrl_pg.install, mrl_pg.catalog.read, mrl_pg.load.exchange, mrl_pg.sqlalchemy.create
select
    extension.extversion as pgvector_version,
    space.nspname::pg_catalog.text as extension_schema,
    exists (
        -- not by name alone: that asks for the right to use the schema
        select
        from pg_catalog.pg_proc as proc
        join pg_catalog.pg_namespace as home on home.oid operator(pg_catalog.=) proc.pronamespace
        where home.nspname operator(pg_catalog.=) 'mrl'
            and proc.proname operator(pg_catalog.=) 'version'
            and proc.pronargs operator(pg_catalog.=) 0
    ) as mrl_installed
from (values (1)) as always (one)
left join pg_catalog.pg_extension as extension on extension.extname operator(pg_catalog.=) 'vector'
left join pg_catalog.pg_namespace as space on space.oid operator(pg_catalog.=) extension.extnamespace
