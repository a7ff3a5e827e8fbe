-- Brings the rows about tables up to date, and the tables that hold real queries.
-- No signature. It updates mrl._tables.
-- Called by: install.sql, mrl_pg.installation, migrations
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
        -- not where a merged dump brought several rows about one table
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
        -- because an older version may have made the view
        perform mrl._make_room(room);
    end loop;
    -- the trigger creates a table that is missing, and drops a table that nobody needs
    update mrl._query_sampling set share = share;
end
$refresh$;
