-- The k nearest candidates; no row if fewer than `least` candidates were found.
-- Slots: names, passes, only_read, least (counted from 0), near (mrl._near_enough, or nothing), …
-- Called by: mrl._compose, mrl._pattern, mrl.create_search_function
create or replace function mrl._nearest()
returns text
language sql
immutable
parallel safe
return $template$
with mrl_candidates ({names}, distance) as materialized (
{passes}
)
select {names}, distance{extra}
from mrl_candidates
-- a zero vector has no cosine distance, and a NULL has no distance at all
where distance operator(pg_catalog.<>) 'NaN'::pg_catalog.float8{only_read}
    -- no row if there are too few, as after many deletes; `mrl.search` then scans further
    and exists (
        select
        from mrl_candidates
        where distance operator(pg_catalog.<>) 'NaN'::pg_catalog.float8
        offset {least}
    ){near}
order by distance, {names}
limit {k}
$template$::pg_catalog.text;
