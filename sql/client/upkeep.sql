-- What `maintain` asks of the server.

-- name: check_upkeep
-- Raises for what `maintain` does not take.
-- Parameters: table_id (NULL for every table), recall, dead, changed, sample
-- Called by: mrl_pg.upkeep.maintain
select mrl._check_upkeep(
    %(table_id)s::pg_catalog.oid::pg_catalog.regclass,
    %(recall)s,
    %(dead)s,
    %(changed)s,
    %(sample)s
)

-- name: upkeep
-- What is due on the tables of the caller, in order.
-- Parameters: table_id (NULL for every table), recall, dead, changed, sample
-- Called by: mrl_pg.upkeep.maintain
select
    due.step,
    class.oid::pg_catalog.int8 as table_id,
    space.nspname::pg_catalog.text as schema,
    class.relname::pg_catalog.text as "table",
    listed.full_column::pg_catalog.text as "column",
    due.index_name::pg_catalog.text as index,
    due.k,
    due.filter,
    due.queries,
    due.candidates,
    due.ef_search,
    due.rerank,
    coalesce(due.real_queries, false) as real_queries,
    due.reason,
    due.statement,
    due.remedy
from mrl._upkeep(
    %(table_id)s::pg_catalog.oid::pg_catalog.regclass,
    %(recall)s,
    %(dead)s,
    %(changed)s,
    %(sample)s
) with ordinality as due (
    step, table_name, index_name, k, filter, queries, candidates, ef_search, rerank,
    real_queries, reason, statement, remedy, place
)
join pg_catalog.pg_class as class on class.oid operator(pg_catalog.=) due.table_name
join pg_catalog.pg_namespace as space on space.oid operator(pg_catalog.=) class.relnamespace
left join mrl.indexes as listed
    on listed.table_name operator(pg_catalog.=) due.table_name
    and listed.index_name operator(pg_catalog.=) due.index_name
order by due.place
