-- Parameters of a made function: the filter's own, the query, k; and their types alone.
-- mrl._parameter_list(parameters text[], slots jsonb, k int) -> list, types
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
                        'a type outside pg_catalog with its schema';
        end if;
        list := list || format('%I %s, ', parts[1], to_regtype(parts[2]));
        types := types || format('%s, ', to_regtype(parts[2]));
    end loop;
    -- PostgreSQL sees no dependency in the body, but it does in a default
    list := list || format('query %s, k pg_catalog.int4 default mrl._k(%s)', vector, k);
    types := types || format('%s, int4', vector);
end
$body$;

comment on function mrl._parameter_list(text[], jsonb, int) is
'Internal. Parameters of a made function.';
