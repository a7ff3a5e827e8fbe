-- How far a running create index is; no row before and after.
-- Parameters: pid of the building session
-- Called by: mrl_pg.build.progress
select
    phase,
    blocks_done,
    blocks_total,
    tuples_done
from pg_catalog.pg_stat_progress_create_index
where pid operator(pg_catalog.=) %(pid)s
