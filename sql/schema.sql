-- Checks pgvector and the owners of existing objects, and creates the schema.
-- The search path holds pgvector's schema until `restore_path.sql`, the manifest's last file.
-- Called by: install.sql, mrl_pg.installation, migrations
do $check$
declare
    pgvector_version pg_catalog.text := (
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
    if pgvector_version is null then
        raise exception 'pgvector is not installed in this database'
            using hint = 'create extension vector;';
    elsif pg_catalog.string_to_array(substring(pgvector_version from '^[0-9.]+'), '.')::int[]
        operator(pg_catalog.<) '{0,8}'
    then
        raise exception 'pgvector % is too old: mrl_pg needs 0.8.0 or later', pgvector_version
            using hint = 'alter extension vector update;';
    end if;
end
$check$;

-- before the next check, because nobody else can add objects once the schema is ours
create schema if not exists mrl;

do $check$
declare
    -- an object that another role made would run with the rights of the installing role
    stranger pg_catalog.record;
    installed pg_catalog.text := '';
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
        -- the schema, all objects in it, and the functions that triggers on its tables call
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
        -- PostgreSQL records no owner for objects of the first superuser
        on role.oid operator(pg_catalog.=) coalesce(owner.refobjid, 10)
    where not pg_catalog.pg_has_role(current_user, role.oid, 'usage')
        -- a superuser is a member of every role, so membership says nothing about trust
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
            '% belongs to role %, whose code could run with the rights of %',
            stranger.description, stranger.rolname, current_user
            using errcode = 'object_not_in_prerequisite_state',
                hint = pg_catalog.format(
                    'install as role %I, or look at the objects in the schema and then run: %s',
                    stranger.rolname, 'drop schema mrl cascade;'
                );
    end if;

    if pg_catalog.to_regprocedure('mrl.version()') is not null then
        execute 'select mrl.version()' into installed;
    end if;
    perform pg_catalog.set_config('mrl.found_version', coalesce(installed, ''), true);
    perform pg_catalog.set_config(
        'search_path', pg_catalog.format('%I, pg_temp', home), true
    );
end
$check$;

comment on schema mrl is 'mrl_pg: Matryoshka two-pass retrieval with pgvector';
