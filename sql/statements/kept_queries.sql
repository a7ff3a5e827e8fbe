-- Queries that were kept of a column, a row each.
-- Slots: table (its name, as a literal), column
-- Called by: mrl_pg.tune.queries
select pg_catalog.unnest(mrl.kept_queries({table}, {column}))
