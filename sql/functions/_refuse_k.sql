-- Raises what is wrong with the k of a function that mrl.create_search_function made.
-- mrl._refuse_k(k int, candidates int) -> void
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
            hint = 'make it again with more: mrl.create_search_function(…, candidates => …)';
end
$body$;

comment on function mrl._refuse_k(int, int) is
'Internal. Raises what is wrong with a k.';
