"""Functions, operators and types with names of PostgreSQL's own, which a role puts into
the schema `public` so that others run them."""

from support.databases import Conn

STRANGER = "name_stranger"

FILL = """
do $fill$
declare
    made record;
    concrete text;
    times int;
    arguments text;
    result text;
    body text;
begin
    -- counts on, whatever becomes of the transaction
    create sequence public.ran;
    grant all on sequence public.ran to public;
    for made in
        select
            'function' as kind,
            proname as name,
            pg_get_function_identity_arguments(oid) as arguments,
            case when proretset then 'setof ' else '' end as set,
            format_type(prorettype, null) as result
        from pg_proc
        where pronamespace = 'pg_catalog'::regnamespace
            and proname not in ('nextval', 'set_config')
            and prokind in ('f', 'a')
            and (proargmodes is null or not proargmodes && '{o,b,t}')
            -- counted rows are an aggregate's alone
            and not (prokind = 'a' and pronargs = 0)
        union all
        select
            'operator',
            oprname,
            format('%s, %s', oprleft::regtype, oprright::regtype),
            '',
            oprresult::regtype::text
        from pg_operator
        where oprnamespace = 'pg_catalog'::regnamespace
            and oprleft <> 0
    loop
        continue when made.arguments || made.result
            ~ 'internal|cstring|trigger|handler|ORDER BY|pg_ddl|^record$';
        foreach concrete in array case
            when made.arguments || made.result ~ '\\many'
            then '{text,name,oid,int4,int8,float8,regclass,bool,"\\"char\\""}'::text[]
            else '{text}'
        end loop
            for times in 1 .. case when made.arguments ~ 'VARIADIC' then 4 else 1 end
            loop
                arguments := regexp_replace(
                    made.arguments,
                    'VARIADIC .*',
                    array_to_string(array_fill(concrete, array[times]), ', ')
                );
                arguments := public.of_type(arguments, concrete);
                result := public.of_type(made.result, concrete);
                body := format(
                    'returns %s%s language plpgsql as $$begin '
                    'perform pg_catalog.nextval(''public.ran''); return%s; end$$',
                    made.set,
                    result,
                    case when made.set = '' and result <> 'void' then ' null' end
                );
                begin
                    if made.kind = 'function' then
                        execute format(
                            'create function public.%I(%s) %s',
                            made.name,
                            arguments,
                            body
                        );
                    else
                        execute format(
                            'create function public.stranger(%s) %s', arguments, body
                        );
                    end if;
                exception when duplicate_function
                    or invalid_function_definition
                    or feature_not_supported
                then
                    null;
                end;
                if made.kind = 'operator' then
                    begin
                        execute format(
                            'create operator public.%s (function = public.stranger, '
                            'leftarg = %s, rightarg = %s)',
                            made.name,
                            split_part(arguments, ', ', 1),
                            split_part(arguments, ', ', 2)
                        );
                    exception when duplicate_function or undefined_function then
                        null;
                    end;
                end if;
            end loop;
        end loop;
    end loop;
    foreach concrete in array string_to_array(
        'text name oid int4 int8 float8 bool regclass regtype regprocedure jsonb '
        'regnamespace record timestamptz tid void "char"', ' '
    ) loop
        execute format('create type public.%s as (x pg_catalog.int4)', concrete);
    end loop;
    create aggregate public.count(*) (
        sfunc = public.int8inc, stype = pg_catalog.int8, initcond = 0
    );
end
$fill$
"""

OF_TYPE = """
create function public.of_type(given text, concrete text) returns text
language sql immutable
return regexp_replace(
    regexp_replace(
        replace(given, '"any"', 'any'),
        '\\many(compatible)?array\\M',
        concrete || '[]',
        'g'
    ),
    '\\many(compatible)?(nonarray|element|enum)?\\M',
    concrete,
    'g'
)
"""

SHADOWS = ("pg_class", "pg_attribute", "pg_proc", "pg_namespace", "pg_extension")
"""Catalogs for which a session has its own tables, under the same names."""


def fill(conn: Conn) -> None:
    """Create these objects in `public`, as a role that may create objects there."""
    conn.execute(f"create role {STRANGER}".encode())
    conn.execute(f"grant create on schema public to {STRANGER}".encode())
    conn.execute(f"set role {STRANGER}".encode())
    conn.execute(OF_TYPE.encode())
    conn.execute("set search_path = pg_catalog")
    conn.execute(FILL.encode())
    conn.execute("reset search_path")
    conn.execute("reset role")


def shadow(conn: Conn) -> None:
    """Have the session look up every name among the stranger's objects first."""
    conn.execute("set search_path = pg_temp, public, pg_catalog")
    for name in SHADOWS:
        conn.execute(f"create temporary table {name} (oid int)".encode())


def ran(conn: Conn) -> bool:
    """Whether any of the stranger's objects ever ran."""
    [(called,)] = conn.execute("select is_called from public.ran").fetchall()
    return bool(called)


def forget(conn: Conn) -> None:
    """Reset the record, as if nothing had run yet."""
    conn.execute("select pg_catalog.setval('public.ran', 1, false)")
