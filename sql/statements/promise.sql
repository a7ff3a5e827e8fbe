-- Columns of mrl_before, in a search for a recall: what was measured to keep it.
-- Slots: table, index, short, distance (literals), k, recall, filtered
-- Called by: mrl_pg.search.render
,
    mrl_promise.candidates as mrl_candidates,
    mrl_promise.ef_search as mrl_ef_search,
    mrl_promise.promise as mrl_standing
from mrl._promised(
    {table}::pg_catalog.regclass,
    mrl._index_of({table}::pg_catalog.regclass, {index}, {short}, {distance}),
    {k},
    {recall},
    {filtered}
) as mrl_promise
