-- Deletes what was kept of a column's queries.
-- Parameters: table (its name, quoted), column, before (a day, or NULL for all)
-- Called by: mrl_pg.calibration.real_queries
select mrl.forget_queries(%(table)s::pg_catalog.regclass, %(column)s, before => %(before)s)
