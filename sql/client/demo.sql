-- The schema of the demo.

-- name: demo_schema
-- Makes the demo's own schema; nothing outside it is touched.
-- No parameters
-- Called by: mrl_pg.demo.dictionary
create schema if not exists mrl_demo

-- name: demo_drop
-- Drops the table of an earlier demo, with all its indexes.
-- No parameters
-- Called by: mrl_pg.demo.dictionary
drop table if exists mrl_demo.glosses
