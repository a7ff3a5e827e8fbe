-- Parts of the functions that mrl.create_search_function makes.

-- The quoted name of a function with its schema; without one, in the schema that is given.
-- Called by: mrl.create_search_function
create or replace function mrl._function_name(name text, schema_name name)
returns text
language plpgsql
stable
parallel safe
set search_path = pg_catalog, pg_temp
as $body$
declare
    parts text[] := parse_ident(name);
begin
    if cardinality(parts) > 2 then
        raise exception 'function_name % has % parts', name, cardinality(parts)
            using errcode = 'invalid_parameter_value', hint = 'write name or schema.name';
    elsif cardinality(parts) = 1 then
        return format('%I.%I', schema_name, parts[1]);
    end if;
    return format('%I.%I', parts[1], parts[2]);
end
$body$;

-- The default k of a made function. It makes the function depend on mrl_pg.
-- Called by: mrl._parameter_list
create or replace function mrl._k(k int)
returns int
language sql
immutable
parallel safe
return k;

-- The parameters of a made function (of the filter, the query, k), and their types.
-- Called by: mrl.create_search_function
create or replace function mrl._parameter_list(
    parameters text[], slots jsonb, k int, out list text, out types text
)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $body$
declare
    vector text := format('%svector', slots ->> 'extension');
    parameter text;
    parts text[];
begin
    list := '';
    types := '';
    foreach parameter in array coalesce(parameters, '{}') loop
        parts := regexp_match(parameter, '^\s*(\w+)\s+(\S.*)$');
        if parts is null or to_regtype(parts[2]) is null then
            raise exception 'parameter % is not a name and a type', quote_literal(parameter)
                using errcode = 'invalid_parameter_value',
                    hint = 'parameters => array[''tenant bigint'']; '
                        'write a type outside pg_catalog with its schema';
        end if;
        list := list || format('%I %s, ', parts[1], to_regtype(parts[2]));
        types := types || format('%s, ', to_regtype(parts[2]));
    end loop;
    -- PostgreSQL records no dependency for the body, but records one for a default
    list := list || format('query %s, k pg_catalog.int4 default mrl._k(%s)', vector, k);
    types := types || format('%s, int4', vector);
end
$body$;

-- Raises because the k of a made function is out of range.
-- Called by: templates/search_function.sql
create or replace function mrl._refuse_k(k int, candidates int)
returns void
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $body$
begin
    raise exception 'k % is outside 1 to %, the candidates of this function',
        coalesce(k::text, 'NULL'), candidates
        using errcode = 'invalid_parameter_value',
            hint = 'make the function again with more candidates, or with a larger rerank: '
                'mrl.create_search_function(…, candidates => …)';
end
$body$;

-- The call that makes a function again, for format(): names of table, full column and index.
-- Called by: mrl.create_search_function
create or replace function mrl._made_again(
    -- arguments by name; those that are NULL are left out
    given jsonb,
    function_name text,
    -- whether the caller named the index
    names_index boolean
)
returns text
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $body$
declare
    arguments text;
begin
    select string_agg(format(', %s => %L', argument.key, argument.value), '' order by argument.key)
    into arguments
    from jsonb_each_text(jsonb_strip_nulls(given)) as argument;
    return concat(
        'select mrl.create_search_function(',
        replace(quote_literal(function_name), '%', '%%'),
        ', %1$L, %2$L',
        replace(arguments, '%', '%%'),
        case when names_index then ', index_name => %3$L' end,
        ')'
    );
end
$body$;

-- Raises because a made function was called without a tenant, whose rows it would search.
-- Called by: templates/tenant_function.sql
create or replace function mrl._refuse_no_tenant()
returns void
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $body$
begin
    raise exception 'the tenant is NULL'
        using errcode = 'null_value_not_allowed',
            hint = 'pass the key of a tenant; rows whose key is NULL belong to no tenant';
end
$body$;

-- A filter whose parameters have their types written to them, because mrl.search takes texts.
-- Called by: mrl._make_tenant_function
create or replace function mrl._with_types(filter text, types text[])
returns text
language sql
immutable
parallel safe
return (
    select pg_catalog.string_agg(
        case
            when part[2] is null then part[1]
            else pg_catalog.concat(part[1], '::', types[part[2]::int])
        end,
        ''
        order by place
    )
    -- text in quotes, a parameter, or anything else
    from pg_catalog.regexp_matches(
        filter, '(''[^'']*''|"[^"]*"|[$]([0-9]{1,6})|[^''"$]+|.)', 'g'
    ) with ordinality as found (part, place)
);

-- Makes a function to which callers also pass the key of a tenant.
-- Called by: mrl.create_search_function
create or replace function mrl._make_tenant_function(
    -- arguments of mrl.search by name
    options jsonb,
    function_name text,
    table_name regclass,
    full_column name,
    parameters text[]
)
returns regprocedure
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $body$
#variable_conflict use_column
declare
    known mrl.tenants := mrl._tenant_settings(table_name, full_column);
    slots jsonb := mrl._table(table_name, full_column);
    count int := cardinality(parameters);
    name text := mrl._function_name(function_name, slots ->> 'schema_name');
    list record;
    made_text text;
    made regprocedure;
    types text[] := array(
        select to_regtype((regexp_match(given.part, '^\s*\w+\s+(\S.*)$'))[1])::text
        from unnest(parameters) with ordinality as given (part, place)
        order by given.place
    );
begin
    perform mrl._refuse_index_with_tenant(options);
    list := mrl._parameter_list(
        parameters || format('tenant %s', mrl._key_type(table_name, known.key_column)),
        slots,
        (options ->> 'k')::int
    );
    made_text := format('%s(%s)', name, list.types);
    slots := slots || jsonb_build_object(
        'function', name,
        'parameters', list.list,
        'full_name', quote_literal(full_column),
        'tenant', format('$%s', count + 1),
        'query', format('$%s', count + 2),
        'k', format('$%s', count + 3),
        'args', case
            when count = 0 then 'null'
            else format(
                'array[%s]',
                (
                    select string_agg(format('$%s::pg_catalog.text', place), ', ' order by place)
                    from generate_series(1, count) as place
                )
            )
        end,
        'options', (
            select coalesce(
                string_agg(
                    format(e',\n        %s => %L', given.key, given.value), '' order by given.key
                ),
                ''
            )
            from jsonb_each_text(
                jsonb_strip_nulls(
                    options - 'k' || jsonb_build_object(
                        'filter', mrl._with_types(options ->> 'filter', types)
                    )
                )
            ) as given
        )
    );
    if position('$mrl_pg$' in slots::text) > 0 then
        raise exception 'the filter or a name holds $mrl_pg$, which ends the function'
            using errcode = 'invalid_parameter_value',
                hint = 'write the filter or the name without $mrl_pg$';
    end if;
    execute mrl._render(mrl._tenant_function(), slots);
    made := made_text;
    execute format(
        'comment on function %s is %L',
        made,
        format(
            'The k rows of a tenant in %s nearest to a query, nearest first%s.',
            slots ->> 'table',
            ', where ' || (options ->> 'filter')
        )
    );
    return made;
end
$body$;

-- Raises if a made function cannot search; returns if only the index has another name.
-- Called by: templates/check_in_function.sql
create or replace function mrl._check_made(
    -- NULL if no table has the name any more
    table_id oid,
    -- all names are those in the text of the function
    full_column name,
    short_column name,
    index_name name,
    dims int,
    kind text,
    distance text,
    kept_as text,
    made text,
    again text
)
returns void
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $body$
declare
    now record;
begin
    if exists (
        select
        -- NULL would mean every table
        from mrl._short_indexes(coalesce(table_id, 0)) as index
        where index.full_column = _check_made.full_column
            and index.short_column is not distinct from case
                when _check_made.kept_as <> 'expression' then _check_made.short_column
            end
            and index.dims = _check_made.dims
            and index.kind = _check_made.kind
            and index.operator_class = mrl._operator_class(
                _check_made.kind, _check_made.distance
            )
            and index.kept_as = _check_made.kept_as
            and index.usable
    ) then
        -- its text names columns, and no index
        return;
    elsif not exists (
        select
        from unnest(
            array[
                _check_made.full_column,
                case when _check_made.kept_as <> 'expression' then _check_made.short_column end
            ]
        ) as named (column_name)
        left join pg_attribute as attribute
            on attribute.attrelid = _check_made.table_id
            and attribute.attname = named.column_name
            and attribute.attnum > 0
        where named.column_name is not null
            and attribute.attname is null
    ) then
        perform mrl._check_short(
            table_id, full_column, short_column, index_name, dims, kind, distance, kept_as
        );
        return;
    end if;
    -- the names of now; NULL if several indexes could be meant
    select
        min(registered.full_now) as full_column,
        min(coalesce(registered.index_now, registered.index_name)) as index_name
    into now
    from mrl._registered(coalesce(table_id, 0)) as registered
    where registered.dims = _check_made.dims
        and registered.kind = _check_made.kind
        and registered.distance = _check_made.distance
        and registered.kept_as = _check_made.kept_as
    having count(*) = 1;
    raise exception 'function % names % by an old name',
        made,
        case
            when table_id is null then 'its table'
            else format('a column of %s', table_id::regclass)
        end
        using errcode = 'object_not_in_prerequisite_state',
            hint = format(
                'make it again: drop function %s; %s',
                made,
                format(
                    again,
                    coalesce(table_id::regclass::text, '…'),
                    coalesce(now.full_column::text, '…'),
                    coalesce(now.index_name::text, '…')
                )
            );
end
$body$;
