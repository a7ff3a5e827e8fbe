-- The same of a partitioned table, whose own settings are those of no partition.
-- Slots: table, column
-- Called by: mrl_pg.tune.storage, which prints it
alter table {table} alter column {column} set storage plain
