-- Answers to many queries with one plan: number of the query, row, true distance.
-- Slots: queries and numbers (arrays), nearest, names, pass_names, table, same_row, extra
-- Called by: mrl._compose
create or replace function mrl._batch()
returns text
language sql
immutable
parallel safe
return $template$
select
    mrl_pass.mrl_number as number,
    -- rows are read last, because a sort would carry whole rows
    (
        select mrl_row.*::{table}
        from {table} as mrl_row
        where {same_row}
    ) as hit,
    mrl_pass.distance{extra}
from (
    select mrl_query.mrl_number, mrl_pass.*
    from rows from (
        pg_catalog.unnest({queries}), pg_catalog.unnest({numbers})
    ) as mrl_query (mrl_full, mrl_number)
    cross join lateral (
{nearest}
    ) as mrl_pass ({names}, distance)
    order by mrl_query.mrl_number, mrl_pass.distance, {pass_names}
) as mrl_pass (mrl_number, {names}, distance)
$template$::pg_catalog.text;
