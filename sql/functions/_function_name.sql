-- A function's name, quoted, in a schema of its own or the one given.
-- mrl._function_name(name text, schema_name name) -> text
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

comment on function mrl._function_name(text, name) is
'Internal. A function''s name, quoted, in its schema.';
