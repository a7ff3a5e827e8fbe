-- Fills the slots of templates; shortens names.

-- Raises because no value was given for a slot. Without the error it would become empty text.
-- Called by: mrl._render
create or replace function mrl._refuse_slot(slot text)
returns text
language plpgsql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $body$
begin
    raise exception 'no value was given for slot % of a template', slot;
end
$body$;

-- A template with its slots filled. Braces inside a value are not read as slots.
-- Called by: mrl._pattern, mrl._compose, mrl._create_steps, and most that build statements
create or replace function mrl._render(template text, slots jsonb)
returns text
language sql
immutable
strict
parallel safe
return (
    -- pieces in odd places are text, pieces in even places are names of slots
    select pg_catalog.string_agg(
        case
            when place operator(pg_catalog.%) 2 operator(pg_catalog.=) 1 then piece
            else coalesce(slots operator(pg_catalog.->>) piece, mrl._refuse_slot(piece))
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

-- A name of at most 63 bytes: stem and suffix. A longer stem is cut, and ends in a hash.
-- Called by: mrl._names; mrl_pg.layout does so in Python
create or replace function mrl._fit(stem text, suffix text)
returns name
language plpgsql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $body$
declare
    mark text := '_' || left(encode(sha256(convert_to(stem, 'utf8')), 'hex'), 8);
    room int := 63 - octet_length(mark) - octet_length(suffix);
begin
    if octet_length(stem || suffix) <= 63 then
        return stem || suffix;
    elsif room < 0 then
        raise exception 'suffix % leaves no room for a name', quote_literal(suffix)
            using errcode = 'invalid_parameter_value';
    end if;
    return (
        -- a character has at least one byte
        select left(stem, max(length)) || mark || suffix
        from generate_series(0, least(length(stem), room)) as length
        where octet_length(left(stem, length)) <= room
    );
end
$body$;

-- A filter as a further condition, on its own lines, so that a comment in it ends there.
-- Called by: mrl._plan, mrl._share, mrl.search_sql, and most that build statements
create or replace function mrl._condition(filter text)
returns text
language sql
stable
parallel safe
return case when filter is null
    then ''
    else pg_catalog.format(e'\n    and (\n%s\n    )', filter)
end;
