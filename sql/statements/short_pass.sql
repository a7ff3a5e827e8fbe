-- The first pass alone: the k rows nearest by the short index, never re-ranked.
-- Slots: names, columns, query, table, short, short_query, extension, short_operator, k
-- Called by: mrl_pg.recall.short_pass
with mrl_query as materialized (
    select {query} as "full"
)
select {columns}
from {table}
order by {short} operator({extension}{short_operator}) (
    select {short_query}
    from mrl_query
)
limit {k}
