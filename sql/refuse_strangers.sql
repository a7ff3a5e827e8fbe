-- Raises if an object of the schema uses anything but the schema, PostgreSQL and pgvector.
-- It reads PostgreSQL's records of dependencies. The error names the owner of the other object.
-- Called by: install.sql, mrl_pg.installation, migrations
do $check$
declare
    -- because a function of another role runs with the rights of the role that calls it
    bound pg_catalog.record;
begin
    with recursive ours (classid, objid) as (
        select inside.classid, inside.objid
        from pg_catalog.pg_depend as inside
        where inside.refclassid
                operator(pg_catalog.=) 'pg_catalog.pg_namespace'::pg_catalog.regclass
            and inside.refobjid operator(pg_catalog.=) 'mrl'::pg_catalog.regnamespace
        union
        -- their parts: defaults, checks, rules of views, triggers, indexes
        select part.classid, part.objid
        from ours
        join pg_catalog.pg_depend as part
            on part.refclassid operator(pg_catalog.=) ours.classid
            and part.refobjid operator(pg_catalog.=) ours.objid
        where part.deptype operator(pg_catalog.=) any ('{a,i}')
            and part.classid operator(pg_catalog.=) any (
                array[
                    'pg_catalog.pg_attrdef', 'pg_catalog.pg_constraint',
                    'pg_catalog.pg_rewrite', 'pg_catalog.pg_trigger',
                    'pg_catalog.pg_policy', 'pg_catalog.pg_class', 'pg_catalog.pg_type'
                ]::pg_catalog.regclass[]
            )
    ),
    needed as (
        select
            ours.classid,
            ours.objid,
            needs.refclassid,
            -- an array type counts as the type of its elements
            coalesce(element.oid, needs.refobjid) as refobjid
        from ours
        join pg_catalog.pg_depend as needs
            on needs.classid operator(pg_catalog.=) ours.classid
            and needs.objid operator(pg_catalog.=) ours.objid
        left join pg_catalog.pg_type as element
            on element.typarray operator(pg_catalog.=) needs.refobjid
            and needs.refclassid
                operator(pg_catalog.=) 'pg_catalog.pg_type'::pg_catalog.regclass
    ),
    owned as (
        select
            needed.*,
            identity.schema,
            role.rolname,
            role.rolsuper or pg_catalog.pg_has_role(current_user, role.oid, 'usage')
            and not (
                -- a superuser is a member of every role, so membership says nothing about trust
                select me.rolsuper
                from pg_catalog.pg_roles as me
                where me.rolname operator(pg_catalog.=) current_user
            ) as trusted
        from needed
        cross join lateral pg_catalog.pg_identify_object(
            needed.refclassid, needed.refobjid, 0
        ) as identity
        left join pg_catalog.pg_shdepend as owner
            on owner.dbid operator(pg_catalog.=) (
                select database.oid
                from pg_catalog.pg_database as database
                where database.datname operator(pg_catalog.=) pg_catalog.current_database()
            )
            and owner.classid operator(pg_catalog.=) needed.refclassid
            and owner.objid operator(pg_catalog.=) needed.refobjid
            and owner.deptype operator(pg_catalog.=) 'o'
        join pg_catalog.pg_roles as role
            -- PostgreSQL records no owner for objects of the first superuser
            on role.oid operator(pg_catalog.=) coalesce(owner.refobjid, 10)
    )
    select
        pg_catalog.pg_describe_object(owned.classid, owned.objid, 0) as ours,
        pg_catalog.pg_describe_object(owned.refclassid, owned.refobjid, 0) as theirs,
        owned.rolname
    into bound
    from owned
    where not (
            -- schema.sql has checked the owners of these
            owned.schema operator(pg_catalog.=) any ('{mrl,pg_catalog}')
            or owned.refclassid operator(pg_catalog.=) any (
                array[
                    'pg_catalog.pg_namespace', 'pg_catalog.pg_extension',
                    'pg_catalog.pg_language'
                ]::pg_catalog.regclass[]
            )
            or (owned.refclassid, owned.refobjid) operator(pg_catalog.=) any (
                select ours.classid, ours.objid
                from ours
            )
            or owned.trusted
            and exists (
                select
                from pg_catalog.pg_depend as member
                join pg_catalog.pg_extension as extension
                    on extension.oid operator(pg_catalog.=) member.refobjid
                    and extension.extname operator(pg_catalog.=) 'vector'
                where member.classid operator(pg_catalog.=) owned.refclassid
                    and member.objid operator(pg_catalog.=) owned.refobjid
                    and member.refclassid
                        operator(pg_catalog.=) 'pg_catalog.pg_extension'::pg_catalog.regclass
                    and member.deptype operator(pg_catalog.=) 'e'
            )
        ) is true
    order by 1, 2
    limit 1;
    if bound is not null then
        raise exception '% would use % of role %, which could do anything',
            bound.ours, bound.theirs, bound.rolname
            using errcode = 'object_not_in_prerequisite_state',
                hint = 'drop one of the two, if none of your objects needs the dropped one, and '
                    'install again';
    end if;
end
$check$;
