-- Has a share of a column's queries kept, or no more.
-- Parameters: table (its name, quoted), column, share, most
-- Called by: mrl_pg.calibration.real_queries
select mrl.sample_queries(
    %(table)s::pg_catalog.regclass, %(column)s, share => %(share)s, most => %(most)s
)
