-- Keeps a second build and schema changes off the table; reads and writes go on.
-- Slots: table
-- Called by: mrl_pg.build
lock table {table} in share update exclusive mode
