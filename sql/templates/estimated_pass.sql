-- A first pass by sign bits that reads only the best rows, by the bits and more of the query.
-- Slots: ordered (mrl._estimated_order), names, query, operator, extension, rerank
-- Called by: mrl_pg.search.render, mrl._passes
create or replace function mrl._estimated_pass()
returns text
language sql
immutable
parallel safe
return $template$
select
    {names},
    case
        when mrl_order operator(pg_catalog.<=) {rerank}
        then mrl_full operator({extension}{operator}) {query}
        -- not read; sums of single precision never are this large, so it is no distance
        else 1e300::pg_catalog.float8
    end
from (
{ordered}
) as mrl_ordered
$template$::pg_catalog.text;
