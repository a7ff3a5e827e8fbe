-- A name of at most 63 bytes: stem and suffix, the stem cut and marked by a hash.
-- mrl._fit(stem text, suffix text) -> name
-- Called by: mrl._names; mrl_pg.layout is its twin in Python
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
        -- a character has one byte at least
        select left(stem, max(length)) || mark || suffix
        from generate_series(0, least(length(stem), room)) as length
        where octet_length(left(stem, length)) <= room
    );
end
$body$;

comment on function mrl._fit(text, text) is
'Internal. A name of at most 63 bytes.';
