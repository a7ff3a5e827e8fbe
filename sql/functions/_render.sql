-- A template with its slots filled, each once: what a slot brings is never read again.
-- mrl._render(template text, slots jsonb) -> text
-- Called by: mrl._pattern, mrl._compose, mrl.create_index_sql, and most that make statements
create or replace function mrl._render(template text, slots jsonb)
returns text
language sql
immutable
strict
parallel safe
return (
    -- pieces in odd places are text, those in even places names of slots
    select pg_catalog.string_agg(
        case
            when place operator(pg_catalog.%) 2 operator(pg_catalog.=) 1 then piece
            else slots operator(pg_catalog.->>) piece
        end,
        ''
        order by place
    )
    from pg_catalog.unnest(
        pg_catalog.string_to_array(
            pg_catalog.replace(pg_catalog.btrim(template, e'\n'), '}', '{'), '{'
        )
    ) with ordinality as part (piece, place)
);

comment on function mrl._render(text, jsonb) is
'Internal. A template with its slots filled.';
