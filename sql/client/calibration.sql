-- Calibrations, recalls and real queries.

-- name: calibrate
-- Measures searches by one short column, and stores the results.
-- Slots: extension (pgvector's schema and a dot)
-- Called by: mrl_pg.calibration.calibrate
select
    candidates,
    ef_search,
    recall,
    low,
    median_ms,
    p95_ms,
    share,
    queries,
    rows
from mrl.calibrate(
    %(table)s::pg_catalog.regclass,
    %(column)s,
    k => %(k)s,
    sample => %(sample)s,
    filter => %(filter)s,
    index_name => %(index_name)s,
    queries => case
        when %(real_queries)s
        then mrl.kept_queries(
            %(table)s::pg_catalog.regclass, %(column)s, sample => %(sample)s
        )
        else %(queries)s::pg_catalog.text[]::{extension}vector[]
    end
)
order by candidates, ef_search

-- name: measure
-- Measures the recall of one short column's searches, and stores the result if keep is true.
-- Slots: extension (pgvector's schema and a dot)
-- Called by: mrl_pg.calibration.recall_report
select *, pg_catalog.clock_timestamp() as measured_at
from mrl.recall(
    %(table)s::pg_catalog.regclass,
    %(column)s,
    k => %(k)s,
    sample => %(sample)s,
    candidates => %(candidates)s,
    filter => %(filter)s,
    index_name => %(index_name)s,
    ef_search => %(ef_search)s,
    max_scan_tuples => %(max_scan_tuples)s,
    queries => case
        when %(real_queries)s
        then mrl.kept_queries(
            %(table)s::pg_catalog.regclass, %(column)s, sample => %(sample)s
        )
        else %(queries)s::pg_catalog.text[]::{extension}vector[]
    end,
    keep => %(keep)s
)

-- name: measurements
-- Stored measurements of recall of one short column, oldest first.
-- Parameters: table_id, index_name
-- Called by: mrl_pg.calibration.recall_report
select
    k,
    candidates,
    ef_search,
    filter,
    recall,
    low,
    high,
    loss_graph,
    loss_shortlist,
    loss_prefix,
    queries as measured,
    measured_at
from mrl.measurements
where table_id operator(pg_catalog.=) %(table_id)s::pg_catalog.oid::pg_catalog.regclass
    and index_name operator(pg_catalog.=) %(index_name)s
order by measured_at

-- name: keep_query
-- Offers a query, which the server stores at random.
-- Slots: extension (pgvector's schema and a dot), kind (vector or halfvec)
-- Called by: mrl_pg.calibration.real_queries
select mrl.keep_query(
    %(table)s::pg_catalog.regclass,
    %(column)s,
    %(query)s::{extension}{kind}::{extension}vector
)

-- name: sample_queries
-- Sets the share of a column's queries that is stored.
-- Parameters: table (its name, quoted), column, share, most
-- Called by: mrl_pg.calibration.real_queries
select mrl.sample_queries(
    %(table)s::pg_catalog.regclass, %(column)s, share => %(share)s, most => %(most)s
)

-- name: sampling
-- The settings for a column's queries and how many are stored, for the owner of the table.
-- Parameters: table (its name, quoted), column
-- Called by: mrl_pg.calibration.real_queries
select
    sampling.share,
    sampling.most,
    kept.kept,
    kept.oldest
from mrl.query_sampling as sampling
cross join lateral mrl._kept(sampling.table_id, sampling.full_column) as kept
where sampling.table_id operator(pg_catalog.=) %(table)s::pg_catalog.regclass
    and sampling.full_column operator(pg_catalog.=) %(column)s

-- name: query_share
-- The share of a column's queries that is stored; no row if it was never set.
-- Parameters: table (its name, quoted), column
-- Called by: mrl_pg.calibration.real_queries
select sampling.share
from mrl.query_sampling as sampling
where sampling.table_id operator(pg_catalog.=) pg_catalog.to_regclass(%(table)s)
    and sampling.full_column operator(pg_catalog.=) %(column)s

-- name: forget_queries
-- Deletes real queries of a column.
-- Parameters: table (its name, quoted), column, before (a day, or NULL for all)
-- Called by: mrl_pg.calibration.real_queries
select mrl.forget_queries(%(table)s::pg_catalog.regclass, %(column)s, before => %(before)s)
