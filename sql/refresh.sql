-- Derives anew what the registry derives, and the room for queries, where there is any.
-- No signature: it updates mrl.registry; a stale row stays as it is.
-- Called by: install.sql, mrl_pg.install, migrations
do $refresh$
declare
    row record;
    derived jsonb;
begin
    for row in select * from mrl.registry loop
        begin
            derived := mrl._slots(
                row.table_id,
                row.full_column,
                row.short_column,
                row.index_name,
                row.dims,
                row.kind,
                row.distance
            );
            update mrl.registry as registry
            set slots = derived,
                pattern = mrl._pattern(derived)
            where registry.table_id = row.table_id
                and registry.index_name = row.index_name;
        exception when undefined_object
            or undefined_table
            or undefined_column
            or object_not_in_prerequisite_state
        then
            -- a search of that table says what is wrong with it
            update mrl.registry as registry
            set slots = null,
                pattern = null
            where registry.table_id = row.table_id
                and registry.index_name = row.index_name;
        end;
    end loop;
end
$refresh$;
do $refresh$
begin
    if to_regclass('mrl.query_slots') is not null then
        perform mrl._make_query_slots();
        perform mrl._drop_query_slots();
    end if;
end
$refresh$;
