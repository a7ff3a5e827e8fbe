-- What is in force for a column's queries, and how many are kept; of its owner alone.
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
