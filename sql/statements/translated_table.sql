-- A table whose schema is put into the finished text, which is safe in a name alone.
-- Slots: table
-- Called by: mrl_pg.sqlalchemy.passes
(
    select kind.typrelid
    from pg_catalog.pg_type as kind
    where kind.oid operator(pg_catalog.=) pg_catalog.pg_typeof(null::{table})::pg_catalog.oid
)
