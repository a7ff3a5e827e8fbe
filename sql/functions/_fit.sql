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
    cut text := stem;
begin
    if octet_length(stem || suffix) <= 63 then
        return stem || suffix;
    end if;
    while octet_length(cut) > room loop
        cut := left(cut, -1);
    end loop;
    return cut || mark || suffix;
end
$body$;

comment on function mrl._fit(text, text) is
'Internal. A name of at most 63 bytes.';
