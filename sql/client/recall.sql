-- Other searches, to compare the two-pass search with.

-- name: short_pass
-- The first pass alone: the k rows nearest by the short index, never re-ranked.
-- Slots: names, columns, query, table, short, short_query, extension, short_operator, k
-- Called by: mrl_pg.demo.short_pass
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

-- name: single_pass
-- One pass over full vectors by their own HNSW index, to compare the two-pass search with.
-- Slots: key, value (the column or its cast), table, extension, operator, query, k
-- Called by: mrl_pg.tune.trial.single_pass
select
    {key},
    {value} operator({extension}{operator}) {query} as distance
from {table}
order by {value} operator({extension}{operator}) {query}
limit {k}

-- name: single_pass_index
-- An HNSW index on a column or an expression, for comparison; not part of an installation.
-- Slots: index, table, value (the column or its cast), extension, operator_class, m, …
-- Called by: mrl_pg.bench.on_server, mrl_pg.tune.trial.single_pass
create index {index}
on {table}
using hnsw ({value} {extension}{operator_class})
with (m = {m}, ef_construction = {ef_construction})
