-- A further column of an answer: how many candidates were found.
-- Slots: none
-- Called by: mrl._plan, mrl._compose, mrl.create_search_function
create or replace function mrl._seen()
returns text
language sql
immutable
parallel safe
return $template$,
    (
        select pg_catalog.count(*)
        from mrl_candidates
        where distance operator(pg_catalog.<>) 'NaN'::pg_catalog.float8
    ) as seen
$template$::pg_catalog.text;
