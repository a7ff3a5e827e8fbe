-- Says that a search brought fewer than it should though the table holds more.
-- mrl._warn_cut_short(came bigint, wanted bigint, limited boolean) -> void
-- Called by: mrl.search, mrl.search_keys, mrl.search_many, templates/search_function.sql
create or replace function mrl._warn_cut_short(
    came bigint,
    wanted bigint,
    -- rows of the answer are wanted, else candidates
    limited boolean
)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $body$
begin
    raise warning 'the search was cut short: % % of % came, and there are more',
        came, case when limited then 'rows' else 'candidates' end, wanted
        using hint = case when limited
            then 'raise max_scan_tuples or candidates, or pass exact => true'
            else 'raise max_scan_tuples, vacuum the table, or pass exact => true'
        end;
end
$body$;

comment on function mrl._warn_cut_short(bigint, bigint, boolean) is
'Internal. Warns of fewer rows or candidates than wanted.';
