-- Name of a table whose schema is put into the finished text, which is safe in a name alone.
-- Slots: table
-- Called by: mrl_pg.sqlalchemy.passes
pg_catalog.pg_typeof(null::{table})::pg_catalog.text
