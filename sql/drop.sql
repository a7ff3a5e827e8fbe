-- Drops mrl_pg's own objects; refuses while any of your objects depends on them.
-- Short columns and their indexes use pgvector alone, so they stay and keep working.
-- Called by: uninstall.sql, mrl_pg.uninstall, migrations
do $drop$
declare
    turned pg_catalog.text;
begin
    -- without its rotation, nobody could search such a column, or read its vectors
    if pg_catalog.to_regclass('mrl.column_rotations') is not null then
        execute 'select pg_catalog.string_agg(pg_catalog.format(''%s.%I'', table_id, full_column), '
            ''', '') from mrl.column_rotations' into turned;
        if turned is not null then
            raise exception 'columns are rotated, and would lose their rotation: %', turned
                using errcode = 'object_not_in_prerequisite_state',
                    hint = 'undo it (mrl-pg rotate --undo), or write the rotation to a file '
                        '(mrl-pg rotate --out) and call mrl.set_rotation with NULL';
        end if;
    end if;
end
$drop$;
do $drop$
declare
    made pg_catalog.record;
begin
    -- the tables that hold real queries, and their views
    for made in
        select class.relname, class.relkind
        from pg_catalog.pg_class as class
        where class.relnamespace
                operator(pg_catalog.=) pg_catalog.to_regnamespace('mrl')
            and class.relname operator(pg_catalog.~) '^_(own_)?queries_[0-9]+$'
            and class.relkind operator(pg_catalog.=) any ('{r,v}'::pg_catalog."char"[])
        order by class.relkind operator(pg_catalog.=) 'r'
    loop
        execute pg_catalog.format(
            'drop %s mrl.%I',
            case when made.relkind operator(pg_catalog.=) 'r' then 'table' else 'view' end,
            made.relname
        );
    end loop;
end
$drop$;
do $drop$
begin
    if pg_catalog.to_regclass('mrl._query_sampling') is not null then
        drop trigger if exists room on mrl._query_sampling;
    end if;
end
$drop$;
drop view if exists mrl.metrics;
drop view if exists mrl.indexes;
drop view if exists mrl.tenant_indexes;
drop view if exists mrl._claims;
drop view if exists mrl._removals;
drop view if exists mrl.query_inbox;
drop view if exists mrl.distance_inbox;
drop view if exists mrl.kept_queries;
drop view if exists mrl.kept_distances;
do $drop$
declare
    -- by name alone, because after pgvector is dropped the functions over its types are gone
    functions pg_catalog.text;
begin
    -- in one statement, because some functions depend on others
    functions := (
        select pg_catalog.string_agg(proc.oid::pg_catalog.regprocedure::pg_catalog.text, ', ')
        from pg_catalog.pg_proc as proc
        where proc.pronamespace operator(pg_catalog.=) pg_catalog.to_regnamespace('mrl')
            and (
                pg_catalog.starts_with(proc.proname, '_')
                or proc.proname operator(pg_catalog.=) any (
                    array[
                        'search', 'search_keys', 'search_many', 'hybrid', 'search_words',
                        'search_sql', 'create_search_function', 'create_index', 'create_index_sql',
                        'check_plan', 'maintenance',
                        'preflight', 'drop_index', 'switch_index', 'switch_column',
                        'in_use_column', 'fill_short_column', 'keep_as_sql', 'status', 'doctor',
                        'repair_sql', 'recall', 'calibrate', 'sample_queries',
                        'sample_distances', 'forget_queries', 'keep_query', 'keep_distance',
                        'kept_queries', 'register',
                        'unregister', 'set_model', 'set_rotation', 'rotate', 'unrotate',
                        'set_tenants', 'tenants_sql', 'tenant_recall',
                        'set_parts', 'parts_sql', 'part_of', 'nearest_parts', 'misplaced_rows',
                        'stop_rotating', 'rename_rotation',
                        'check_owner', 'index_bytes', 'truncate',
                        'refuse_dims', 'version'
                    ]
                )
            )
    );
    if functions is not null then
        execute pg_catalog.format('drop routine %s', functions);
    end if;
end
$drop$;
drop view if exists mrl._own_sampling;
drop view if exists mrl.query_sampling;
drop table if exists mrl._query_sampling;
drop view if exists mrl._own_rotations;
drop view if exists mrl._own_rotation_rows;
drop view if exists mrl.column_rotations;
drop table if exists mrl._rotation_rows;
drop table if exists mrl._rotations;
drop view if exists mrl._own_tenants;
drop view if exists mrl._own_tenant_indexes;
drop view if exists mrl._own_tenant_calibrations;
drop view if exists mrl.tenants;
drop view if exists mrl.calibrations;
drop table if exists mrl._tenant_calibrations;
drop table if exists mrl._tenant_indexes;
drop table if exists mrl._tenants;
drop view if exists mrl._own_parts;
drop view if exists mrl._own_part_centres;
drop view if exists mrl.column_parts;
drop table if exists mrl._part_centres;
drop table if exists mrl._parts;
drop view if exists mrl._own_models;
drop view if exists mrl.column_models;
drop table if exists mrl._column_models;
drop view if exists mrl.registry;
drop view if exists mrl.measurements;
drop view if exists mrl._own_registry;
drop view if exists mrl._own_calibrations;
drop view if exists mrl._own_measurements;
drop view if exists mrl._live_tables;
drop view if exists mrl._identities;
drop table if exists mrl._measurements;
drop table if exists mrl._calibrations;
drop table if exists mrl._registry;
drop table if exists mrl._tables;
drop schema if exists mrl;
