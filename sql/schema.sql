-- Checks pgvector and who owns what is there, makes the schema, finds the vector types.
-- The search path changes until `restore_path.sql`, the last of the manifest.
-- Called by: install.sql, mrl_pg.install, migrations
do $check$
declare
    found text := (
        select extversion from pg_catalog.pg_extension where extname = 'vector'
    );
begin
    perform pg_catalog.set_config(
        'mrl.search_path', pg_catalog.current_setting('search_path'), true
    );
    perform pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
    perform pg_advisory_xact_lock(hashtext('mrl_pg install'));
    if found is null then
        raise exception 'pgvector is not installed in this database'
            using hint = 'create extension vector;';
    elsif string_to_array(substring(found from '^[0-9.]+'), '.')::int[] < '{0,8}' then
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
    stranger record;
    found text := '';
    home text := (
        select space.nspname
        from pg_extension as extension
        join pg_namespace as space on space.oid = extension.extnamespace
        where extension.extname = 'vector'
    );
begin
    select object.description, role.rolname
    into stranger
    from (
        select 1 as place, 'schema mrl' as description, nspowner as owner
        from pg_namespace
        where nspname = 'mrl'
        union all
        select 2, pg_describe_object('pg_class'::regclass, oid, 0), relowner
        from pg_class
        where relnamespace = 'mrl'::regnamespace
        union all
        select 3, pg_describe_object('pg_proc'::regclass, oid, 0), proowner
        from pg_proc
        where pronamespace = 'mrl'::regnamespace
        union all
        select 4, pg_describe_object('pg_type'::regclass, oid, 0), typowner
        from pg_type
        where typnamespace = 'mrl'::regnamespace
        union all
        select
            5,
            pg_describe_object('pg_trigger'::regclass, trigger.oid, 0),
            function.proowner
        from pg_trigger as trigger
        join pg_class as class on class.oid = trigger.tgrelid
        join pg_proc as function on function.oid = trigger.tgfoid
        where class.relnamespace = 'mrl'::regnamespace
            and not trigger.tgisinternal
    ) as object
    join pg_roles as role on role.oid = object.owner
    where not pg_has_role(current_user, role.oid, 'usage')
        -- a superuser is a member of every role: that says nothing about trust
        or role.rolname <> current_user
        and not role.rolsuper
        and (select rolsuper from pg_roles where rolname = current_user)
    order by object.place, object.description
    limit 1;
    if stranger is not null then
        raise exception
            '% belongs to role %: what it does could run with the rights of %',
            stranger.description, stranger.rolname, current_user
            using errcode = 'object_not_in_prerequisite_state',
                hint = format(
                    'install as role %s, or look at what is there and then: %s',
                    quote_ident(stranger.rolname), 'drop schema mrl cascade;'
                );
    end if;

    if to_regprocedure('mrl.version()') is not null then
        execute 'select mrl.version()' into found;
    end if;
    perform set_config('mrl.found_version', coalesce(found, ''), true);
    perform set_config('search_path', quote_ident(home) || ', pg_temp', true);
end
$check$;

comment on schema mrl is 'mrl_pg: Matryoshka two-pass retrieval with pgvector';
