-- Drops mrl_pg's own objects; refuses while something of yours depends on one.
-- Short columns and their indexes use pgvector alone, so they stay and keep working.
-- Called by: uninstall.sql, mrl_pg.uninstall
drop view if exists mrl.indexes;
drop function if exists mrl.unregister(regclass, name);
drop function if exists mrl.register(regclass, name, name, name, int, text, text);
drop function if exists mrl.check_owner(regclass);
drop table if exists mrl.registry;
drop function if exists mrl.index_bytes(regclass);
do $drop$
declare
    -- without pgvector the functions over its types are gone already
    function regprocedure;
begin
    for function in
        select proc.oid
        from pg_proc as proc
        where proc.pronamespace = to_regnamespace('mrl')
            and proc.proname in ('truncate', 'refuse_dims', 'version')
        order by proc.proname = 'refuse_dims'
    loop
        execute format('drop function %s', function);
    end loop;
end
$drop$;
drop schema if exists mrl;
