-- Measures the recall of one short column's searches, and keeps it if that is asked.
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
        when %(kept)s
        then mrl.kept_queries(
            %(table)s::pg_catalog.regclass, %(column)s, sample => %(sample)s
        )
        else %(queries)s::pg_catalog.text[]::{extension}vector[]
    end,
    keep => %(keep)s
)
