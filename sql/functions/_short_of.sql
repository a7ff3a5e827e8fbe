-- The short value of an expression, of either kind, as SQL text.
-- mrl._short_of(value text, slots jsonb) -> text
-- Called by: mrl._pattern, mrl._passes, mrl._plan_recall, mrl.create_index_sql
create or replace function mrl._short_of(value text, slots jsonb)
returns text
language plpgsql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $body$
begin
    return mrl._render(
        case slots ->> 'kind' when 'bit' then mrl._short_bits() else mrl._short_value() end,
        slots || jsonb_build_object('full', value)
    );
end
$body$;

comment on function mrl._short_of(text, jsonb) is
'Internal. SQL of the short value of an expression.';
