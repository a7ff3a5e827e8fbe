-- Raises because mrl.truncate was given dims out of range.
-- mrl.refuse_dims(dims int, full_dims int) -> double precision
-- Called by: mrl.truncate
create or replace function mrl.refuse_dims(dims int, full_dims int)
returns double precision
language plpgsql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $body$
begin
    raise exception 'dims % is outside 1 to %, the length of the vector', dims, full_dims
        using errcode = 'invalid_parameter_value',
            hint = 'a prefix can be at most as long as its vector';
end
$body$;

comment on function mrl.refuse_dims(int, int) is
'Raises the error for a prefix length that its vector does not have.';
