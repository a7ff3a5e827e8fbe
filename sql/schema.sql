-- Checks pgvector and who owns what is there, makes the schema, finds the vector types.
-- The search path changes until `restore_path.sql`, the last of the manifest.
-- Called by: install.sql, mrl_pg.install, migrations
do $check$
declare
    found pg_catalog.text := (
        select extversion
        from pg_catalog.pg_extension
        where extname operator(pg_catalog.=) 'vector'
    );
begin
    perform pg_catalog.set_config(
        'mrl.search_path', pg_catalog.current_setting('search_path'), true
    );
    perform pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
    perform pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtext('mrl_pg install'));
    if found is null then
        raise exception 'pgvector is not installed in this database'
            using hint = 'create extension vector;';
    elsif pg_catalog.string_to_array(substring(found from '^[0-9.]+'), '.')::int[]
        operator(pg_catalog.<) '{0,8}'
    then
        raise exception 'pgvector % is too old: mrl_pg needs 0.8.0 or later', found
            using hint = 'alter extension vector update;';
    end if;
end
$check$;

-- before the next check: nobody else can come between once the schema is ours
create schema if not exists mrl;

do $check$
declare
    -- what another role made beforehand would run with the rights of the installer
    stranger pg_catalog.record;
    found pg_catalog.text := '';
    home pg_catalog.text := (
        select space.nspname
        from pg_catalog.pg_extension as extension
        join pg_catalog.pg_namespace as space
            on space.oid operator(pg_catalog.=) extension.extnamespace
        where extension.extname operator(pg_catalog.=) 'vector'
    );
begin
    select
        pg_catalog.pg_describe_object(object.classid, object.objid, 0) as description,
        role.rolname
    into stranger
    from (
        -- the schema, all that is in it, and what is called by triggers on its tables
        select
            1 as place,
            'pg_catalog.pg_namespace'::pg_catalog.regclass as classid,
            'mrl'::pg_catalog.regnamespace::pg_catalog.oid as objid,
            'pg_catalog.pg_namespace'::pg_catalog.regclass as owned_class,
            'mrl'::pg_catalog.regnamespace::pg_catalog.oid as owned
        union all
        select 2, inside.classid, inside.objid, inside.classid, inside.objid
        from pg_catalog.pg_depend as inside
        where inside.refclassid
                operator(pg_catalog.=) 'pg_catalog.pg_namespace'::pg_catalog.regclass
            and inside.refobjid operator(pg_catalog.=) 'mrl'::pg_catalog.regnamespace
        union all
        select
            3,
            trigger.tableoid,
            trigger.oid,
            'pg_catalog.pg_proc'::pg_catalog.regclass,
            trigger.tgfoid
        from pg_catalog.pg_trigger as trigger
        join pg_catalog.pg_class as class
            on class.oid operator(pg_catalog.=) trigger.tgrelid
        where class.relnamespace operator(pg_catalog.=) 'mrl'::pg_catalog.regnamespace
            and not trigger.tgisinternal
    ) as object
    left join pg_catalog.pg_shdepend as owner
        on owner.dbid operator(pg_catalog.=) (
            select database.oid
            from pg_catalog.pg_database as database
            where database.datname operator(pg_catalog.=) pg_catalog.current_database()
        )
        and owner.classid operator(pg_catalog.=) object.owned_class
        and owner.objid operator(pg_catalog.=) object.owned
        and owner.deptype operator(pg_catalog.=) 'o'
    join pg_catalog.pg_roles as role
        -- of what the first superuser owns, PostgreSQL notes no owner
        on role.oid operator(pg_catalog.=) coalesce(owner.refobjid, 10)
    where not pg_catalog.pg_has_role(current_user, role.oid, 'usage')
        -- a superuser is a member of every role: that says nothing about trust
        or role.rolname operator(pg_catalog.<>) current_user
        and not role.rolsuper
        and (
            select me.rolsuper
            from pg_catalog.pg_roles as me
            where me.rolname operator(pg_catalog.=) current_user
        )
    order by object.place, 1
    limit 1;
    if stranger is not null then
        raise exception
            '% belongs to role %: what it does could run with the rights of %',
            stranger.description, stranger.rolname, current_user
            using errcode = 'object_not_in_prerequisite_state',
                hint = pg_catalog.format(
                    'install as role %I, or look at what is there and then: %s',
                    stranger.rolname, 'drop schema mrl cascade;'
                );
    end if;

    if pg_catalog.to_regprocedure('mrl.version()') is not null then
        execute 'select mrl.version()' into found;
    end if;
    perform pg_catalog.set_config('mrl.found_version', coalesce(found, ''), true);
    perform pg_catalog.set_config(
        'search_path', pg_catalog.format('%I, pg_temp', home), true
    );
end
$check$;

comment on schema mrl is 'mrl_pg: Matryoshka two-pass retrieval with pgvector';
