-- How many of the true k nearest rows each pass finds for one query, compared by distance.
-- Slots: exact, passes, names, columns, full, operator, query, table, filter, short, other, …
-- Called by: mrl._plan_recall
create or replace function mrl._misses()
returns text
language sql
immutable
parallel safe
return $template$
with mrl_truth ({names}, distance) as materialized (
{exact}
),
-- the exact search by short vectors, because no index holds this expression
mrl_short ({names}, distance, mrl_rank) as materialized (
    select
        {names},
        mrl_full operator({extension}{operator}) {query},
        pg_catalog.row_number() over (order by mrl_far)
    from (
        select
            {columns},
            {full},
            ({short} operator({extension}{short_operator}) {short_query})
                operator(pg_catalog.+) 0::pg_catalog.float8 as mrl_far
        from {table}
        where true{filter}
        order by mrl_far
        limit {candidates}
    ) as mrl_near ({names}, mrl_full, mrl_far)
    where {other}
),
mrl_graph ({names}, distance) as materialized (
{passes}
),
mrl_edge as materialized (
    -- rows as far as the k-th are as good; errors of single precision are smaller than this
    select
        pg_catalog.max(distance) operator(pg_catalog.+) 1e-5::pg_catalog.float8 as distance,
        pg_catalog.count(*) as k
    from mrl_truth
    where {other}
)
select
    mrl_edge.k,
    (
        select pg_catalog.count(*)
        from mrl_short
        where mrl_short.distance operator(pg_catalog.<=) mrl_edge.distance
            and mrl_short.mrl_rank operator(pg_catalog.<=) mrl_edge.k
    ) as prefix,
    (
        select least(pg_catalog.count(*), mrl_edge.k)
        from mrl_short
        where mrl_short.distance operator(pg_catalog.<=) mrl_edge.distance
    ) as shortlist,
    (
        select least(pg_catalog.count(*), mrl_edge.k)
        from mrl_graph
        where {other}
            and mrl_graph.distance operator(pg_catalog.<=) mrl_edge.distance
    ) as graph
from mrl_edge
$template$::pg_catalog.text;
