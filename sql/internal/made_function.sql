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
            hint = 'make the function again with more candidates: '
                'mrl.create_search_function(…, candidates => …)';
end
$body$;
