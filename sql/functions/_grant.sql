-- Gives every role the rights that mrl_pg means it to have, and takes all others away.
-- mrl._grant() -> void: the only place that says who may do what
-- Called by: grants.sql, mrl._make_query_slots
create or replace function mrl._grant()
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $body$
declare
    statement text;
    done boolean;
begin
    -- taking a right of a table away takes those of its columns along: so once more
    for round in 1 .. 3 loop
        done := true;
        for statement in
            with wanted (kind, object, privilege, part) as (
                -- of every role; of anything else its owner alone has rights
                select 'schema', 'mrl', 'USAGE', null
                union all
                select 'routine', proc.oid::regprocedure::text, 'EXECUTE', null
                from pg_proc as proc
                where proc.pronamespace = 'mrl'::regnamespace
                union all
                select
                    case when class.relkind = 'S' then 'sequence' else 'table' end,
                    class.oid::regclass::text,
                    given.privilege,
                    given.part
                from (
                    values
                        ('indexes', 'SELECT', null),
                        ('registry', 'SELECT', null),
                        ('calibrations', 'SELECT', null),
                        ('measurements', 'SELECT', null),
                        ('query_sampling', 'SELECT', null),
                        ('kept_queries', 'SELECT', null),
                        -- so that any role may dump them
                        ('_registry', 'SELECT', null),
                        ('_calibrations', 'SELECT', null),
                        ('_measurements', 'SELECT', null),
                        ('_tables', 'SELECT', null),
                        ('_tables_entry_seq', 'SELECT', null),
                        ('_live_tables', 'SELECT', null),
                        -- these let a role write about its own tables alone
                        ('_own_registry', 'SELECT', null),
                        ('_own_registry', 'INSERT', null),
                        ('_own_registry', 'UPDATE', null),
                        ('_own_registry', 'DELETE', null),
                        ('_own_calibrations', 'SELECT', null),
                        ('_own_calibrations', 'INSERT', null),
                        ('_own_calibrations', 'UPDATE', null),
                        ('_own_calibrations', 'DELETE', null),
                        ('_own_measurements', 'SELECT', null),
                        ('_own_measurements', 'INSERT', null),
                        ('_own_measurements', 'UPDATE', null),
                        ('_own_measurements', 'DELETE', null),
                        ('_claims', 'INSERT', 'table_id'),
                        ('_claims', 'SELECT', 'entry'),
                        ('query_inbox', 'SELECT', 'table_id'),
                        ('query_inbox', 'SELECT', 'full_column'),
                        ('query_inbox', 'SELECT', 'slot'),
                        ('query_inbox', 'UPDATE', 'kept_on'),
                        ('query_inbox', 'UPDATE', 'query')
                ) as given (name, privilege, part)
                join pg_class as class on class.relname = given.name
                where class.relnamespace = 'mrl'::regnamespace
            ),
            held as (
                select
                    object.kind,
                    object.name as object,
                    acl.privilege_type as privilege,
                    object.part,
                    case when acl.grantee = 0 then 'public' else acl.grantee::regrole::text end
                        as role
                from (
                    select 'schema', 'mrl', null, nspacl, nspowner
                    from pg_namespace
                    where nspname = 'mrl'
                    union all
                    select
                        'routine',
                        oid::regprocedure::text,
                        null,
                        coalesce(proacl, acldefault('f', proowner)),
                        proowner
                    from pg_proc
                    where pronamespace = 'mrl'::regnamespace
                    union all
                    select
                        case when relkind = 'S' then 'sequence' else 'table' end,
                        oid::regclass::text,
                        null,
                        relacl,
                        relowner
                    from pg_class
                    where relnamespace = 'mrl'::regnamespace
                    union all
                    select
                        'table', class.oid::regclass::text, attname, attacl, class.relowner
                    from pg_attribute
                    join pg_class as class on class.oid = attrelid
                    where class.relnamespace = 'mrl'::regnamespace
                ) as object (kind, name, part, acl, owner)
                cross join aclexplode(object.acl) as acl
                where acl.grantee <> object.owner
            )
            select format(
                'revoke %s%s on %s %s from %s cascade',
                held.privilege, '(' || quote_ident(held.part) || ')', held.kind, held.object,
                held.role
            )
            from held
            where held.role <> 'public'
                or not exists (
                    select
                    from wanted
                    where (wanted.kind, wanted.object, wanted.privilege)
                            = (held.kind, held.object, held.privilege)
                        and wanted.part is not distinct from held.part
                )
            union all
            select format(
                'grant %s%s on %s %s to public',
                wanted.privilege, '(' || quote_ident(wanted.part) || ')', wanted.kind,
                wanted.object
            )
            from wanted
            where not exists (
                select
                from held
                where (wanted.kind, wanted.object, wanted.privilege)
                        = (held.kind, held.object, held.privilege)
                    and wanted.part is not distinct from held.part
                    and held.role = 'public'
            )
            -- what is taken away goes first
            order by 1 desc
        loop
            execute statement;
            done := false;
        end loop;
        exit when done;
    end loop;
    if not done then
        raise exception 'rights on objects of mrl_pg come back: %', statement
            using errcode = 'object_not_in_prerequisite_state',
                hint = 'run that statement as the role that granted it, and install again';
    end if;
end
$body$;

comment on function mrl._grant() is
'Internal. Gives every role the rights that mrl_pg means it to have, and no others.';
