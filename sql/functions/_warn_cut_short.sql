-- Says that a search brought fewer rows than asked though the table holds more.
-- mrl._warn_cut_short(came bigint, k int) -> void
-- Called by: mrl.search, mrl.search_keys, mrl.search_many, templates/search_function.sql
create or replace function mrl._warn_cut_short(came bigint, k int)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $body$
begin
    raise warning 'the search was cut short: % rows of % came, and there are more',
        came, k
        using hint = 'raise max_scan_tuples or candidates, or pass exact => true';
end
$body$;

comment on function mrl._warn_cut_short(bigint, int) is
'Internal. Warns of fewer rows than asked.';
