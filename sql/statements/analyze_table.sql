-- Statistics of a table, so that its plans are those of a table in use.
-- Slots: table
-- Called by: mrl_pg.tune.scratch
analyze {table}
