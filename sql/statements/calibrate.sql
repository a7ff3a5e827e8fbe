-- Measures the searches of one short column and keeps what was measured.
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
        when %(kept)s
        then mrl.kept_queries(
            %(table)s::pg_catalog.regclass, %(column)s, sample => %(sample)s
        )
        else %(queries)s::pg_catalog.text[]::{extension}vector[]
    end
)
order by candidates, ef_search
