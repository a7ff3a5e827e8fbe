-- What an exact search needs: the table, and the distance its short columns have.
-- mrl._full(table_id oid, full_column name) -> jsonb
-- Called by: mrl._plan
create or replace function mrl._full(table_id oid, full_column name)
returns jsonb
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $body$
begin
    return mrl._table(table_id, full_column) || jsonb_build_object(
        'operator', coalesce(
            (
                select mrl._operator(registry.distance)
                from mrl.registry as registry
                where registry.table_id = _full.table_id::regclass
                    and registry.full_column = _full.full_column
                order by registry.created_at, registry.index_name
                limit 1
            ),
            -- of a table without a short column nobody has said another
            '<=>'
        )
    );
end
$body$;

comment on function mrl._full(oid, name) is
'Internal. What an exact search needs.';
