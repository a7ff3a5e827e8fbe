-- How many rows a table has, where the server has never counted.
-- Slots: table
-- Called by: mrl_pg.tune.table
select pg_catalog.count(*)
from {table}
