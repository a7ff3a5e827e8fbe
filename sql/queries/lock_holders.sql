-- Sessions that hold locks on tables of this database, the oldest transaction first.
-- Parameters: none
-- Called by: mrl_pg.cli.options
select
    activity.pid,
    activity.usename::pg_catalog.text as role,
    -- what another role does is hidden from an ordinary one
    coalesce(activity.state, 'in a transaction') as state,
    pg_catalog.date_trunc('second', activity.xact_start)::pg_catalog.text as since
from pg_catalog.pg_stat_activity as activity
where activity.datname operator(pg_catalog.=) pg_catalog.current_database()
    and activity.pid operator(pg_catalog.<>) pg_catalog.pg_backend_pid()
    and exists (
        select
        from pg_catalog.pg_locks as held
        where held.pid operator(pg_catalog.=) activity.pid
            and held.granted
            and held.database operator(pg_catalog.=) activity.datid
            -- none of the catalog's own
            and held.relation operator(pg_catalog.>=) 16384::pg_catalog.oid
    )
order by activity.xact_start
limit 3
