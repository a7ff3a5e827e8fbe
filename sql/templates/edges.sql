-- The distance of the k-th nearest row to each of many queries. It reads every row once.
-- Slots: columns, names, extension, full, full_dims, table, filter, operator, type, …
-- Called by: mrl._plan_calibration
create or replace function mrl._edges()
returns text
language sql
immutable
parallel safe
return $template$
select
    pg_catalog.array_agg(number) as numbers,
    pg_catalog.array_agg(edge) as edges,
    pg_catalog.array_agg(k) as totals
from (
    select
        number,
        -- rows as far as the k-th are as good; errors of single precision are smaller than this
        pg_catalog.max(distance) operator(pg_catalog.+) 1e-5::pg_catalog.float8 as edge,
        pg_catalog.count(*)::int as k
    from (
        select
            number,
            distance,
            pg_catalog.row_number() over (partition by number order by distance) as place
        from (
            select
                {columns},
                {extension}subvector({full}, 1, {full_dims})
            from {table}
            where {full} is not null{filter}
            -- so that each vector is read from TOAST once, not once per query
            offset 0
        ) as mrl_row ({names}, mrl_full)
        cross join lateral (
            select
                number,
                mrl_full operator({extension}{operator}) query as distance
            from rows from (
                pg_catalog.unnest({queries}::{type}[]),
                pg_catalog.unnest({bounds}),
                pg_catalog.unnest({parts_asked}),
                pg_catalog.unnest({places_asked})
            ) with ordinality as asked (query, bound, part, place, number)
            -- k rows are within the bound, so no row beyond the bound is among the nearest
            where (mrl_full operator({extension}{operator}) query) operator(pg_catalog.<=) bound
                and {other_asked}
            -- a loop over queries for each row, because rows for each query would spill to disk
            offset 0
        ) as mrl_near
    ) as mrl_ranked
    where place operator(pg_catalog.<=) {k}
    group by number
) as mrl_edge
$template$::pg_catalog.text;
