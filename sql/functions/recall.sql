-- The recall of searches on your own rows, compared with exact search, and the causes of losses.
-- mrl.recall('docs', 'embedding', k => 10, sample => 50, …) -> one row
-- Called by: people
create or replace function mrl.recall(
    table_name regclass,
    full_column name,
    k int default 10,
    sample int default 50,
    candidates int default null,
    filter text default null,
    args text[] default null,
    dims int default null,
    kind text default null,
    index_name name default null,
    ef_search int default null,
    max_scan_tuples int default null,
    rerank int default null,
    queries vector[] default null,
    keep boolean default false,
    tenant text default null,
    probes int default null,
    out recall double precision,
    out low double precision,
    out high double precision,
    out loss_graph double precision,
    out loss_shortlist double precision,
    out loss_prefix double precision,
    out measured int
)
language plpgsql
volatile
parallel unsafe
as $body$
-- no search_path of its own, so that PostgreSQL looks up the filter's names as the caller does
#variable_conflict use_variable
begin
    select
        found.recall, found.low, found.high, found.loss_graph, found.loss_shortlist,
        found.loss_prefix, found.measured
    into recall, low, high, loss_graph, loss_shortlist, loss_prefix, measured
    from mrl._measure(
        pg_catalog.jsonb_build_object(
            'table_id', table_name::pg_catalog.oid, 'full_column', full_column, 'k', k,
            'candidates', candidates, 'filter', filter, 'args', args, 'dims', dims,
            'kind', kind, 'index_name', index_name, 'ef_search', ef_search,
            'max_scan_tuples', max_scan_tuples, 'rerank', rerank, 'tenant', tenant,
            'probes', probes
        ),
        sample,
        queries,
        keep
    ) as found;
end
$body$;

comment on function mrl.recall(
    regclass, name, int, int, int, text, text[], int, text, name, int, int, int,
    vector[], boolean, text, int
) is
'Mean recall of a search compared with exact search, with a 95 % interval, over the queries '
'given or a random sample of the table''s rows (each query leaves out its own row). '
'1 - recall is loss_graph (rows that HNSW missed, or that rerank left out; raise ef_search '
'or rerank, or m when building) plus '
'loss_shortlist (rows that more candidates would have found). loss_prefix is the loss of '
'short vectors alone, without re-ranking. Reads the whole table twice for each query, in one '
'transaction, which holds its lock on the table and its snapshot until the end; mrl-pg recall '
'lets go of both after each query. keep writes the result to mrl.measurements; only the owner '
'of the table may do this. tenant: measures searches of this tenant by its own index; keep then '
'writes to mrl.tenant_indexes. probes: as in mrl.search; the exact search reads all parts.';
