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
begin
    -- all in one statement: a search takes 3 ms, each further one here 1 % of it
    select
        format(
            registry.pattern,
            'mrl_row.*',
            -- not as a regclass: of a temporary table that leaves its schema out
            format('%I.%I', space.nspname, class.relname),
            '',
            effort.candidates,
            effort.candidates - 1,
            _ordinary.k,
            '$1'
        ),
        effort.candidates
    into statement, ef_search
    from (
        -- the oldest, even if it cannot be used: mrl._plan says why
        select *
        from mrl.registry as registry
        where registry.table_id = (
                -- by the type itself: its name may mean another table
                select row_type.typrelid::regclass
                from pg_type as row_type
                where row_type.oid = _ordinary.type
            )
            and registry.full_column = _ordinary.full_column
            and (_ordinary.dims is null or registry.dims = _ordinary.dims)
            and (_ordinary.kind is null or registry.kind = _ordinary.kind)
            and (_ordinary.index_name is null or registry.index_name = _ordinary.index_name)
        order by registry.created_at, registry.index_name
        limit 1
    ) as registry
    join pg_class as class on class.oid = registry.table_id
    join pg_namespace as space on space.oid = class.relnamespace
    join pg_attribute as attribute
        on attribute.attrelid = registry.table_id
        and attribute.attname = registry.full_column
    cross join (
        -- as mrl._effort chooses them
        select coalesce(_ordinary.candidates, greatest(160, 8 * _ordinary.k::bigint))
    ) as effort (candidates)
    -- what mrl._plan and those it calls look at one by one
    where attribute.attnum = (registry.slots ->> 'full_number')::int
        and (class.relhassubclass or class.relkind = 'p')
            = (registry.slots ->> 'parts')::boolean
        and to_regclass(registry.slots ->> 'index') is not null
        and not row_security_active(registry.table_id)
        and mrl._dims(_ordinary.query) = (registry.slots ->> 'full_dims')::int
        and not mrl._is_zero(_ordinary.query)
        and _ordinary.k between 1 and effort.candidates
        and effort.candidates <= 1000;
end
$body$;

comment on function mrl._ordinary(regtype, name, vector, int, int, int, text, name) is
'Internal. Statement and ef_search of an ordinary search.';
