-- The other searches that `mrl-pg bench` measures, as their authors publish them.

-- name: bench_one_pass
-- One pass over full vectors, as pgvector's manual has it.
-- Slots: table, passing, value (the column or its cast), extension, operator, query, k
-- Called by: mrl_pg.bench.recipes
select id
from {table}
where {passing}
order by {value} operator({extension}{operator}) {query}
limit {k}

-- name: bench_two_passes
-- An index on an expression, then exact order: both recipes of pgvector's manual.
-- Slots: table, passing, short, extension, short_operator, short_query, read, operator, query, k
-- Called by: mrl_pg.bench.recipes
select id
from (
    select
        id,
        embedding
    from {table}
    where {passing}
    order by {short} operator({extension}{short_operator}) {short_query}
    limit {read}
) as candidates
order by embedding operator({extension}{operator}) {query}
limit {k}

-- name: bench_binary
-- The bits of a vector, as pgvector's manual indexes them.
-- Slots: extension, full, full_dims
-- Called by: mrl_pg.bench.recipes
{extension}binary_quantize({full})::pg_catalog.bit({full_dims})

-- name: bench_subvector
-- The leading dimensions of a vector, as pgvector's manual indexes them.
-- Slots: extension, full, dims
-- Called by: mrl_pg.bench.recipes
{extension}subvector({full}, 1, {dims})::{extension}vector({dims})

-- name: bench_sub_vector
-- The function of the article on adaptive retrieval that shortens a vector, in PL/pgSQL.
-- Slots: extension
-- Called by: mrl_pg.bench.adaptive
create function bench.sub_vector(v {extension}vector, dimensions pg_catalog.int4)
returns {extension}vector
language plpgsql
immutable
as $$
begin
    if dimensions operator(pg_catalog.>) {extension}vector_dims(v) then
        raise exception 'dimensions must be at most the size of the vector';
    end if;
    return (
        with unnormed (elem) as (
            select x
            from pg_catalog.unnest(v::pg_catalog.float4[]) with ordinality as given (x, ix)
            where ix operator(pg_catalog.<=) dimensions
        ),
        norm (factor) as (
            select pg_catalog.sqrt(pg_catalog.sum(pg_catalog.pow(elem, 2)))
            from unnormed
        )
        select pg_catalog.array_agg(
            unnormed.elem operator(pg_catalog./) norm.factor
        )::{extension}vector
        from norm, unnormed
    );
end;
$$

-- name: bench_sub_vector_value
-- What the article indexes.
-- Slots: extension, full, dims
-- Called by: mrl_pg.bench.adaptive
bench.sub_vector({full}, {dims})::{extension}vector({dims})

-- name: bench_adaptive
-- The search function of the same article: 8 k candidates, whatever hnsw.ef_search is.
-- Slots: extension, full_dims, dims, operator
-- Called by: mrl_pg.bench.adaptive
create function bench.match_documents_adaptive(
    query_embedding {extension}vector({full_dims}),
    match_count pg_catalog.int4
)
returns setof bench.docs
language sql
begin atomic
    with shortlist as (
        select *
        from bench.docs
        order by bench.sub_vector(embedding, {dims})::{extension}vector({dims})
            operator({extension}{operator}) (
                select bench.sub_vector(query_embedding, {dims})::{extension}vector({dims})
            )
        limit match_count operator(pg_catalog.*) 8
    )
    select *
    from shortlist
    order by embedding operator({extension}{operator}) query_embedding
    limit least(match_count, 200);
end

-- name: bench_adaptive_search
-- A search by that function.
-- Slots: query, k
-- Called by: mrl_pg.bench.adaptive
select id
from bench.match_documents_adaptive({query}, {k})

-- name: bench_langchain_view
-- The common table in the form that langchain-postgres expects: with a column of texts.
-- No parameters
-- Called by: mrl_pg.bench.langchain
create view bench.langchain as
select
    id,
    part,
    embedding,
    ''::pg_catalog.text as content
from bench.docs

-- name: bench_schema
-- The schema of all that a benchmark makes.
-- No parameters
-- Called by: mrl_pg.bench.on_server
create schema bench

-- name: bench_analyze
-- What autovacuum does to a new table sooner or later, so that nobody waits for it.
-- Slots: table
-- Called by: mrl_pg.bench.on_server
vacuum (analyze) {table}

-- name: bench_session
-- How hard the searches of this session look; with a filter the scan goes on if it must.
-- Parameters: ef_search, iterative_scan
-- Called by: mrl_pg.bench.on_server
select
    pg_catalog.set_config('hnsw.ef_search', %(ef_search)s::pg_catalog.text, false),
    pg_catalog.set_config('hnsw.iterative_scan', %(iterative_scan)s::pg_catalog.text, false),
    pg_catalog.set_config('hnsw.max_scan_tuples', '1000000', false),
    -- on a small table the planner would prefer to read all rows
    pg_catalog.set_config('enable_seqscan', 'off', false)

-- name: bench_scans
-- How often this transaction has scanned an index.
-- Slots: index
-- Called by: mrl_pg.bench.on_server
select pg_catalog.pg_stat_get_xact_numscans({index}::pg_catalog.regclass)

-- name: bench_bytes
-- Bytes of an index, and of a table with its TOAST but without indexes.
-- Slots: index, table
-- Called by: mrl_pg.bench.on_server
select
    pg_catalog.pg_relation_size({index}::pg_catalog.regclass),
    pg_catalog.pg_table_size({table}::pg_catalog.regclass)

-- name: bench_other_indexes
-- The indexes of a table, but for the primary key and one more.
-- Slots: table, index
-- Called by: mrl_pg.bench.writes
select class.relname::pg_catalog.text
from pg_catalog.pg_index as state
join pg_catalog.pg_class as class on class.oid operator(pg_catalog.=) state.indexrelid
where state.indrelid operator(pg_catalog.=) {table}::pg_catalog.regclass
    and state.indexrelid operator(pg_catalog.<>) {index}::pg_catalog.regclass::pg_catalog.oid
    and not state.indisprimary

-- name: bench_insert
-- One new row, with a vector in pgvector's binary format.
-- Slots: table, query
-- Called by: mrl_pg.bench.writes
insert into {table} (id, part, embedding)
values (%(id)s, 0, {query})

-- name: bench_update
-- Another vector for a row.
-- Slots: table, query
-- Called by: mrl_pg.bench.writes
update {table}
set embedding = {query}
where id operator(pg_catalog.=) %(id)s

-- name: bench_delete
-- Rows go.
-- Slots: table
-- Called by: mrl_pg.bench.writes
delete from {table}
where id operator(pg_catalog.=) any (%(ids)s)

-- name: bench_versions
-- The versions and the settings that a result depends on.
-- No parameters
-- Called by: mrl_pg.bench.environment
select
    name,
    pg_catalog.current_setting(name)
from pg_catalog.pg_settings
where name operator(pg_catalog.=) any (array[
    'server_version', 'shared_buffers', 'effective_cache_size', 'maintenance_work_mem',
    'max_parallel_maintenance_workers', 'max_parallel_workers', 'max_wal_size', 'jit',
    'random_page_cost', 'work_mem', 'fsync', 'synchronous_commit', 'autovacuum'
])
union all
select
    'pgvector',
    extversion
from pg_catalog.pg_extension
where extname operator(pg_catalog.=) 'vector'
