-- Brings what is known of tables up to date, and the room for queries, where there is any.
-- No signature: it updates mrl._tables.
-- Called by: install.sql, mrl_pg.install, migrations
do $refresh$
begin
    perform mrl._sweep();
    update mrl._tables as known
    set table_oid = identity.table_oid,
        born = identity.born,
        named = identity.named
    from mrl._live_tables as live
    join mrl._identities as identity
        on identity.table_oid operator(pg_catalog.=) live.table_id
    where known.entry operator(pg_catalog.=) live.entry
        and (
            known.table_oid operator(pg_catalog.<>) identity.table_oid
            or known.born operator(pg_catalog.<>) identity.born
            or known.named operator(pg_catalog.<>) identity.named
        )
        -- one of them: a merged dump may have brought more
        and not exists (
            select
            from mrl._tables as other
            where other.table_id operator(pg_catalog.=) known.table_id
                and other.entry operator(pg_catalog.<>) known.entry
        );
end
$refresh$;
do $refresh$
declare
    room int;
begin
    for room in
        select sampling.room
        from mrl._query_sampling as sampling
        where pg_catalog.to_regclass(pg_catalog.concat('mrl._queries_', sampling.room))
            is not null
    loop
        -- its view may be a former version's
        perform mrl._make_room(room);
    end loop;
    -- made where it is missing, and dropped where it is of no use
    update mrl._query_sampling set share = share;
end
$refresh$;
