-- The rights of roles on each object of the schema.

-- Grants every role the rights that it needs, and revokes all other rights.
-- Called by: grants.sql, mrl._make_room
create or replace function mrl._grant(
    -- NULL means all objects of mrl_pg
    objects text[] default null
)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $body$
declare
    statement text;
    done boolean;
begin
    -- to revoke a right on a table also revokes the right on its columns, so this repeats
    for round in 1 .. 3 loop
        done := true;
        for statement in
            with wanted (kind, object, privilege, part) as (
                -- rights of every role; all other rights belong to the owner alone. The part
                -- is a column, and '' is all of the object, because = can be hashed
                select 'schema', 'mrl', 'USAGE', ''
                union all
                select 'routine', proc.oid::regprocedure::text, 'EXECUTE', ''
                from pg_proc as proc
                where proc.pronamespace = 'mrl'::regnamespace
                union all
                select
                    case when class.relkind = 'S' then 'sequence' else 'table' end,
                    class.oid::regclass::text,
                    given.privilege,
                    coalesce(attribute.attname, given.part, '')::text
                from (
                    values
                        ('indexes', 'SELECT', null),
                        ('registry', 'SELECT', null),
                        ('calibrations', 'SELECT', null),
                        ('measurements', 'SELECT', null),
                        ('metrics', 'SELECT', null),
                        ('query_sampling', 'SELECT', null),
                        ('column_models', 'SELECT', null),
                        ('column_rotations', 'SELECT', null),
                        ('tenants', 'SELECT', null),
                        ('tenant_indexes', 'SELECT', null),
                        ('column_parts', 'SELECT', null),
                        ('kept_queries', 'SELECT', null),
                        ('kept_distances', 'SELECT', null),
                        -- so that any role may dump them
                        ('_registry', 'SELECT', null),
                        ('_calibrations', 'SELECT', null),
                        ('_measurements', 'SELECT', null),
                        ('_tables', 'SELECT', null),
                        ('_tables_entry_seq', 'SELECT', null),
                        ('_live_tables', 'SELECT', null),
                        ('_query_sampling', 'SELECT', null),
                        ('_column_models', 'SELECT', null),
                        ('_rotations', 'SELECT', null),
                        ('_rotation_rows', 'SELECT', null),
                        ('_tenants', 'SELECT', null),
                        ('_tenant_indexes', 'SELECT', null),
                        ('_tenant_calibrations', 'SELECT', null),
                        ('_parts', 'SELECT', null),
                        ('_part_centres', 'SELECT', null),
                        ('_query_sampling_room_seq', 'SELECT', null),
                        -- these let a role write about its own tables alone; by column,
                        -- because a right on the whole view includes locks on its tables
                        ('_own_registry', 'SELECT', null),
                        ('_own_registry', 'INSERT', '*'),
                        ('_own_registry', 'UPDATE', '*'),
                        ('_own_calibrations', 'SELECT', null),
                        ('_own_calibrations', 'INSERT', '*'),
                        ('_own_calibrations', 'UPDATE', '*'),
                        ('_own_measurements', 'SELECT', null),
                        ('_own_measurements', 'INSERT', '*'),
                        ('_own_measurements', 'UPDATE', '*'),
                        ('_own_models', 'SELECT', null),
                        ('_own_models', 'INSERT', '*'),
                        ('_own_models', 'UPDATE', 'model'),
                        ('_own_models', 'UPDATE', 'set_at'),
                        ('_own_rotations', 'SELECT', null),
                        ('_own_rotations', 'INSERT', '*'),
                        ('_own_rotation_rows', 'SELECT', null),
                        ('_own_rotation_rows', 'INSERT', '*'),
                        ('_own_tenants', 'SELECT', null),
                        ('_own_tenants', 'INSERT', '*'),
                        ('_own_tenants', 'UPDATE', '*'),
                        ('_own_tenant_indexes', 'SELECT', null),
                        ('_own_tenant_indexes', 'INSERT', '*'),
                        ('_own_tenant_indexes', 'UPDATE', '*'),
                        ('_own_tenant_calibrations', 'SELECT', null),
                        ('_own_tenant_calibrations', 'INSERT', '*'),
                        ('_own_parts', 'SELECT', null),
                        ('_own_parts', 'INSERT', '*'),
                        ('_own_part_centres', 'SELECT', null),
                        ('_own_part_centres', 'INSERT', '*'),
                        ('_own_sampling', 'SELECT', null),
                        ('_own_sampling', 'INSERT', 'entry'),
                        ('_own_sampling', 'INSERT', 'full_column'),
                        ('_own_sampling', 'INSERT', 'share'),
                        ('_own_sampling', 'INSERT', 'most'),
                        ('_own_sampling', 'UPDATE', 'share'),
                        ('_own_sampling', 'UPDATE', 'most'),
                        ('_own_sampling', 'UPDATE', 'distance_share'),
                        ('_own_sampling', 'UPDATE', 'most_distances'),
                        -- these show what is stored of a role's own tables, one per column
                        ('_own_queries_', 'SELECT', null),
                        ('_own_queries_', 'UPDATE', 'kept_on'),
                        ('_own_queries_', 'UPDATE', 'query'),
                        ('_own_queries_', 'UPDATE', 'measured_on'),
                        ('_own_queries_', 'UPDATE', 'k'),
                        ('_own_queries_', 'UPDATE', 'distance'),
                        ('_own_queries_', 'UPDATE', 'calibrated_at'),
                        -- these only take rows; the server fills in the calling role
                        ('_claims', 'INSERT', 'table_id'),
                        ('_claims', 'SELECT', 'entry'),
                        ('_removals', 'INSERT', 'entry'),
                        ('_removals', 'INSERT', 'index_name'),
                        ('_removals', 'INSERT', 'k'),
                        ('_removals', 'INSERT', 'filter'),
                        ('_removals', 'INSERT', 'rotated'),
                        ('_removals', 'INSERT', 'tenants_of'),
                        ('_removals', 'INSERT', 'tenant'),
                        ('_removals', 'INSERT', 'parts_of'),
                        ('query_inbox', 'INSERT', 'table_id'),
                        ('query_inbox', 'INSERT', 'full_column'),
                        ('query_inbox', 'INSERT', 'query'),
                        ('distance_inbox', 'INSERT', 'table_id'),
                        ('distance_inbox', 'INSERT', 'full_column'),
                        ('distance_inbox', 'INSERT', 'k'),
                        ('distance_inbox', 'INSERT', 'distance')
                ) as given (name, privilege, part)
                join pg_class as class
                    on given.name in (class.relname, rtrim(class.relname, '0123456789'))
                left join pg_attribute as attribute
                    on given.part = '*'
                    and attribute.attrelid = class.oid
                    and attribute.attnum > 0
                    and not attribute.attisdropped
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
                    select 'schema', 'mrl', '', nspacl, nspowner
                    from pg_namespace
                    where nspname = 'mrl'
                    union all
                    select
                        'routine',
                        oid::regprocedure::text,
                        '',
                        coalesce(proacl, acldefault('f', proowner)),
                        proowner
                    from pg_proc
                    where pronamespace = 'mrl'::regnamespace
                    union all
                    select
                        case when relkind = 'S' then 'sequence' else 'table' end,
                        oid::regclass::text,
                        '',
                        relacl,
                        relowner
                    from pg_class
                    where relnamespace = 'mrl'::regnamespace
                    union all
                    select
                        'table', class.oid::regclass::text, attname::text, attacl,
                        class.relowner
                    from pg_attribute
                    join pg_class as class on class.oid = attrelid
                    where class.relnamespace = 'mrl'::regnamespace
                ) as object (kind, name, part, acl, owner)
                cross join aclexplode(object.acl) as acl
                where acl.grantee <> object.owner
            )
            select format(
                'revoke %s%s on %s %s from %s cascade',
                privilege, '(' || quote_ident(nullif(part, '')) || ')', kind, object, role
            )
            from held
            where role <> 'public' and (objects is null or object = any (objects))
            union all
            select format(
                case
                    when granted.role is null then 'grant %s%s on %s %s to public'
                    else 'revoke %s%s on %s %s from public cascade'
                end,
                privilege, '(' || quote_ident(nullif(part, '')) || ')', kind, object
            )
            from (select * from held where role = 'public') as granted
            full join wanted using (kind, object, privilege, part)
            where (granted.role is null or wanted.kind is null)
                and (objects is null or object = any (objects))
            -- revokes go first
            order by 1 desc
        loop
            execute statement;
            done := false;
        end loop;
        exit when done;
    end loop;
    if not done then
        raise exception 'rights on objects of mrl_pg come back after: %', statement
            using errcode = 'object_not_in_prerequisite_state',
                hint = 'run that statement as the role that granted the right, and install again';
    end if;
end
$body$;

-- Raises if the transaction is read-only, before a long measurement that can't be stored.
-- Called by: mrl._plan_calibration, mrl._measure
create or replace function mrl._check_writable()
returns void
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $body$
begin
    if current_setting('transaction_read_only')::bool then
        raise exception 'cannot store measurements in a read-only transaction'
            using errcode = 'read_only_sql_transaction',
                hint = 'measure on the primary; replicas then read the stored measurements';
    end if;
end
$body$;
