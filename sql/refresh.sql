-- Brings what is known of tables up to date, and the room for queries, where there is any.
-- No signature: it updates mrl._tables and mrl._registry; a stale row stays as it is.
-- Called by: install.sql, mrl_pg.install, migrations
do $refresh$
begin
    perform mrl._sweep();
    update mrl._tables as known
    set table_oid = identity.table_oid,
        born = identity.born,
        named = identity.named
    from mrl._live_tables as live
    join mrl._identities as identity on identity.table_oid = live.table_id
    where known.entry = live.entry
        and (known.table_oid, known.born, known.named)
            <> (identity.table_oid, identity.born, identity.named)
        -- one of them: a merged dump may have brought more
        and not exists (
            select
            from mrl._tables as other
            where other.table_id = known.table_id
                and other.entry <> known.entry
        );
end
$refresh$;
do $refresh$
declare
    row record;
    derived jsonb;
begin
    for row in
        select registry.*, live.table_id
        from mrl._registry as registry
        join mrl._live_tables as live on live.entry = registry.entry
    loop
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
            update mrl._registry as registry
            set slots = derived,
                pattern = mrl._pattern(derived)
            where registry.entry = row.entry
                and registry.index_name = row.index_name;
        exception when undefined_object
            or undefined_table
            or undefined_column
            or object_not_in_prerequisite_state
        then
            -- a search of that table says what is wrong with it
            update mrl._registry as registry
            set slots = null,
                pattern = null
            where registry.entry = row.entry
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
