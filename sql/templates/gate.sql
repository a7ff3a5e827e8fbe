-- A condition of the first pass that changes the settings before the scan starts.
-- Slots: ef_search, iterative_scan, scan_tuples, scan_memory (expressions of type text)
-- Called by: mrl_pg.search.render, mrl.search_sql
create or replace function mrl._gate()
returns text
language sql
immutable
parallel safe
return $template$
(
    select pg_catalog.concat(
        pg_catalog.set_config('hnsw.ef_search', {ef_search}, true),
        pg_catalog.set_config('hnsw.iterative_scan', {iterative_scan}, true),
        pg_catalog.set_config('hnsw.max_scan_tuples', {scan_tuples}, true),
        pg_catalog.set_config('hnsw.scan_mem_multiplier', {scan_memory}, true)
    )
    from mrl_before
) is not null
$template$::pg_catalog.text;
