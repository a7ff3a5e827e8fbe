-- Statement and ef_search of an ordinary search, by one look; NULL for any other.
-- mrl._ordinary(type, full_column, query, k, candidates, dims, …) -> statement, ef_search
-- Called by: mrl.search
create or replace function mrl._ordinary(
    -- of the table's rows
    type regtype,
    full_column name,
    query vector,
    k int,
    candidates int,
    dims int,
    kind text,
    index_name name,
    out statement text,
    out ef_search text
)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $body$
declare
    -- as mrl._effort chooses them
    chosen bigint := coalesce(candidates, greatest(160, 8 * k::bigint));
begin
    -- all in one statement: a search takes 3 ms, each further one here 1 % of it
    select
        mrl._statement(
            registry.kind,
            facts.parts,
            'mrl_row.*',
            facts.table_name,
            '',
            chosen,
            chosen - 1,
            '',
            _ordinary.k,
            '$1',
            facts.full_type,
            facts.extension,
            quote_ident(registry.full_column),
            mrl._operator(registry.distance),
            quote_ident(registry.short_column),
            registry.dims
        ),
        chosen
    into statement, ef_search
    from (
        -- the oldest, even if it cannot be used: mrl._plan says why
        select *
        from mrl.registry as registry
        where registry.table_id = to_regclass(_ordinary.type::text)
            and registry.full_column = _ordinary.full_column
            and (_ordinary.dims is null or registry.dims = _ordinary.dims)
            and (_ordinary.kind is null or registry.kind = _ordinary.kind)
            and (_ordinary.index_name is null or registry.index_name = _ordinary.index_name)
        order by registry.created_at, registry.index_name
        limit 1
    ) as registry
    cross join lateral mrl._facts(
        registry.table_id,
        registry.full_column,
        registry.short_column,
        registry.index_name,
        registry.dims,
        registry.kind,
        registry.distance
    ) as facts
    -- what mrl._plan and those it calls look at one by one
    where facts.row_type = _ordinary.type::oid
        -- another index of that name decides how fast an answer comes, not which: no more
        -- of it here, and the planner leaves pg_index out
        and facts.present
        and facts.prefix
        and not row_security_active(registry.table_id)
        and mrl._dims(_ordinary.query) = facts.full_dims
        and not mrl._is_zero(_ordinary.query)
        and _ordinary.k between 1 and chosen
        and chosen <= 1000;
end
$body$;

comment on function mrl._ordinary(regtype, name, vector, int, int, int, text, name) is
'Internal. Statement and ef_search of an ordinary search.';
