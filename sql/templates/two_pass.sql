-- The two-pass search: candidates by the short index, then the k nearest by full vectors.
-- Slots: query, promise, settings, names, columns, tables and limits; the text is one plain SELECT
-- Called by: mrl_pg.search.render, mrl.search_sql
create or replace function mrl._two_pass()
returns text
language sql
immutable
parallel safe
return $template$
with mrl_query as materialized (
    select {query} as "full"
),
mrl_before as materialized (
    select
        pg_catalog.current_setting('hnsw.ef_search', true) as ef_search,
        pg_catalog.current_setting('hnsw.iterative_scan', true) as iterative_scan,
        pg_catalog.current_setting('hnsw.max_scan_tuples', true) as scan_tuples,
        pg_catalog.current_setting('hnsw.scan_mem_multiplier', true) as scan_memory{promise}
),
-- passes on keys and true distances, not full vectors, so that nothing large is copied
candidates ({names}, distance) as materialized (
{passes}
),
after as materialized (
    select
        done.seen,
        pg_catalog.set_config('hnsw.ef_search', mrl_before.ef_search, true),
        pg_catalog.set_config('hnsw.iterative_scan', mrl_before.iterative_scan, true),
        pg_catalog.set_config('hnsw.max_scan_tuples', mrl_before.scan_tuples, true),
        pg_catalog.set_config('hnsw.scan_mem_multiplier', mrl_before.scan_memory, true)
    from mrl_before
    cross join (
        -- rows without a distance do not count, because they are never answers
        select pg_catalog.count(*) filter (
            where distance operator(pg_catalog.<>) 'NaN'::pg_catalog.float8
        ) as seen
        from candidates
    ) as done
)
select
    {names},
    distance{extra}
from candidates
-- also a one-time filter, so that settings are restored even if there is no candidate
where (select seen from after) is not null
    -- a zero vector has no cosine distance, and a NULL has no distance at all
    and distance operator(pg_catalog.<>) 'NaN'::pg_catalog.float8{only_read}
order by distance, {key_names}
limit {k}
$template$::pg_catalog.text;
