-- Share of a column's queries that is kept; none: it was never asked for.
-- Parameters: table (its name, quoted), column
-- Called by: mrl_pg.calibration.real_queries
select sampling.share
from mrl.query_sampling as sampling
where sampling.table_id operator(pg_catalog.=) pg_catalog.to_regclass(%(table)s)
    and sampling.full_column operator(pg_catalog.=) %(column)s
