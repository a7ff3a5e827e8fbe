-- What an exact search needs: the table, and the distance of the short column that it means.
-- mrl._full(table_id oid, full_column name, dims, kind, index_name) -> jsonb
-- Called by: mrl._plan, mrl._take_query
create or replace function mrl._full(
    table_id oid,
    full_column name,
    dims int default null,
    kind text default null,
    index_name name default null
)
returns jsonb
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $body$
declare
    distance text := (
        select registry.distance
        from mrl.registry as registry
        where registry.table_id = _full.table_id::regclass
            and registry.full_column = _full.full_column
            and (_full.dims is null or registry.dims = _full.dims)
            and (_full.kind is null or registry.kind = _full.kind)
            and (_full.index_name is null or registry.index_name = _full.index_name)
        -- as mrl._found chooses
        order by registry.created_at, registry.index_name
        limit 1
    );
begin
    if distance is null and num_nonnulls(dims, kind, index_name) > 0 then
        -- says that there is none
        perform mrl._found(table_id, full_column, dims, kind, index_name);
    end if;
    return mrl._table(table_id, full_column) || jsonb_build_object(
        -- of a table without a short column nobody has said another
        'operator', coalesce(mrl._operator(distance), '<=>')
    );
end
$body$;

comment on function mrl._full(oid, name, int, text, name) is
'Internal. What an exact search needs.';
