-- A further condition of mrl._nearest: no row if the k-th candidate is farther away than `up_to`.
-- Slots: k, up_to (a number)
-- Called by: mrl._plan
create or replace function mrl._near_enough()
returns text
language sql
immutable
parallel safe
return $template$
    -- no row if so far away; `mrl.search` then searches more widely
    and not exists (
        select
        from (
            select distance
            from mrl_candidates
            where distance operator(pg_catalog.<>) 'NaN'::pg_catalog.float8
            order by distance
            limit {k}
        ) as mrl_near
        where distance operator(pg_catalog.>) {up_to}
    )$template$::pg_catalog.text;
