-- A condition of the first pass that changes the settings before the scan starts.
-- Slots: ef_search, iterative_scan, max_scan_tuples, least_scan_tuples, scan_memory
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
        pg_catalog.set_config(
            'hnsw.max_scan_tuples',
            coalesce(
                {max_scan_tuples},
                greatest(
                    mrl_before.scan_tuples::pg_catalog.int4,
                    {least_scan_tuples}
                )::pg_catalog.text
            ),
            true
        ),
        pg_catalog.set_config(
            'hnsw.scan_mem_multiplier',
            greatest(
                mrl_before.scan_memory::pg_catalog.float8,
                {scan_memory}
            )::pg_catalog.text,
            true
        )
    )
    from mrl_before
) is not null
$template$::pg_catalog.text;
