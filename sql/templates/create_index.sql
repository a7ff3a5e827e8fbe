-- Builds the HNSW index of the short column. Writes wait unless the build is concurrent.
-- Slots: concurrently, index, table, short, extension, operator_class, m, ef_construction
-- Called by: mrl_pg.build.definitions, mrl._create_steps
create or replace function mrl._create_index()
returns text
language sql
immutable
parallel safe
return $template$
create index{concurrently} {index}
on {table}
using hnsw ({short} {extension}{operator_class})
with (m = {m}, ef_construction = {ef_construction})
$template$::pg_catalog.text;
