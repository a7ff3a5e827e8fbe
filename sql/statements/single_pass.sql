-- One pass over full vectors by their own HNSW index, to compare with.
-- Slots: key, value (the column or its cast), table, extension, operator, query, k
-- Called by: mrl_pg.recall.single_pass
select
    {key},
    {value} operator({extension}{operator}) {query} as distance
from {table}
order by {value} operator({extension}{operator}) {query}
limit {k}
