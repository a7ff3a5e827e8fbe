-- What is in force for a column's queries, and how many are kept; of its owner alone.
-- Parameters: table (its name, quoted), column
-- Called by: mrl_pg.kept
select
    sampling.share,
    sampling.most,
    count(kept.query) as kept,
    min(kept.kept_on) as oldest
from mrl.query_sampling as sampling
left join mrl.kept_queries as kept
    on kept.table_name = sampling.table_id
    and kept.full_column = sampling.full_column
where sampling.table_id = %(table)s::regclass
    and sampling.full_column = %(column)s
group by sampling.share, sampling.most
