-- Whether the plan of a statement takes an index for its order by distance.

-- A vector of ones, for a search that is planned and not run.
-- Called by: mrl.check_plan
create or replace function mrl._ones(dims int)
returns vector
language sql
immutable
parallel safe
return pg_catalog.array_fill(1, array[dims])::vector;

-- Whether a plan reads a table in the order of a vector index, and sorts no partition instead.
-- Called by: mrl.check_plan, mrl._ails_plan
create or replace function mrl._is_by_index(
    table_id oid,
    -- of explain (verbose, format json)
    plan jsonb
)
returns boolean
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $body$
begin
    return exists (
        select
        from jsonb_path_query(plan, '$.** ? (exists(@."Order By"))') as scan (node)
        join pg_namespace as space on space.nspname = scan.node ->> 'Schema'
        join pg_class as class
            on class.relnamespace = space.oid
            and class.relname = scan.node ->> 'Relation Name'
        join mrl._tree(_is_by_index.table_id) as tree on tree.relid = class.oid
        join pg_class as index
            on index.relnamespace = space.oid
            and index.relname = scan.node ->> 'Index Name'
        join pg_am as method on method.oid = index.relam
        where method.amname in ('hnsw', 'ivfflat')
    )
    and not exists (
        select
        from jsonb_path_query(
            plan, '$.** ? (@."Node Type" == "Append" || @."Node Type" == "Merge Append")'
        ) as parent (node)
        cross join jsonb_array_elements(parent.node -> 'Plans') as part (node)
        where jsonb_path_exists(parent.node, '$.** ? (exists(@."Order By"))')
            and not jsonb_path_exists(part.node, '$.** ? (exists(@."Order By"))')
            and jsonb_path_exists(part.node, '$.** ? (@."Node Type" == "Sort")')
    );
end
$body$;

-- How a plan reads its tables, for people: Seq Scan on docs, …
-- Called by: mrl.check_plan
create or replace function mrl._scans(plan jsonb)
returns text
language plpgsql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $body$
begin
    return (
        select string_agg(distinct said.words, ', ')
        from jsonb_path_query(plan, '$.** ? (exists(@."Relation Name"))') as scan (node)
        cross join lateral (
            select concat_ws(
                ' ', scan.node ->> 'Node Type',
                'using ' || (scan.node ->> 'Index Name'),
                'on ' || (scan.node ->> 'Relation Name')
            )
        ) as said (words)
    );
end
$body$;
