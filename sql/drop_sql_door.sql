-- Drops what 0.2.0 brought, and all that was calibrated, measured and kept; the registry stays.
-- Refuses while something of yours is bound to one, as every made search function is.
-- Called by: uninstall.sql, mrl_pg.uninstall, mrl_0002_sql_door.py
do $drop$
declare
    function regprocedure;
begin
    for function in
        select proc.oid
        from pg_proc as proc
        where proc.pronamespace = to_regnamespace('mrl')
            and (
                proc.proname like '\_%'
                or proc.proname in (
                    'search', 'search_keys', 'search_many', 'search_sql',
                    'create_search_function', 'create_index', 'create_index_sql',
                    'drop_index', 'recall', 'calibrate', 'sample_queries',
                    'forget_queries', 'keep_query', 'kept_queries'
                )
            )
    loop
        execute format('drop function %s', function);
    end loop;
end
$drop$;
drop table if exists mrl.calibrations;
drop table if exists mrl.measurements;
drop view if exists mrl.kept_queries;
drop view if exists mrl.query_inbox;
drop table if exists mrl.query_slots;
drop table if exists mrl.query_sampling;
