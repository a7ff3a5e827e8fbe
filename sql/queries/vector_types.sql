-- Types of pgvector by name: arrays of them, in binary, say which type they hold.
-- No parameters; no row when pgvector is missing.
-- Called by: mrl_pg.load.exchange
select
    type.typname::pg_catalog.text as name,
    type.oid::pg_catalog.int8 as id
from pg_catalog.pg_extension as extension
join pg_catalog.pg_type as type
    on type.typnamespace operator(pg_catalog.=) extension.extnamespace
where extension.extname operator(pg_catalog.=) 'vector'
    and type.typname operator(pg_catalog.=) any (array['vector', 'halfvec']::pg_catalog.name[])
