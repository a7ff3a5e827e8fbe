-- Refuses a filter that names an argument which is not there.
-- mrl._check_filter(filter text, arguments int) -> void
-- Called by: mrl._plan, mrl._share, mrl.create_search_function, and what plans a measurement
create or replace function mrl._check_filter(filter text, arguments int)
returns void
language plpgsql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $body$
declare
    named int := mrl._parameters(filter);
begin
    if arguments > 16 then
        raise exception 'args has % values: there may be 16', arguments
            using errcode = 'invalid_parameter_value',
                hint = 'pass several as one array: id = any ($1::bigint[])';
    elsif arguments > 0 and filter is null then
        raise exception 'args was given without a filter, which would use it'
            using errcode = 'invalid_parameter_value';
    end if;
    if named > coalesce(arguments, 0) then
        raise exception 'the filter names $%, and % values are given',
            named, coalesce(arguments, 0)
            using errcode = 'invalid_parameter_value',
                hint = 'filter => ''tenant = $1::int'', args => array[''7'']; for '
                    'mrl.create_search_function: parameters => array[''tenant int'']';
    end if;
end
$body$;

comment on function mrl._check_filter(text, int) is
'Internal. Raises when a filter names an argument that is not there.';
