-- Takes rows in the binary format of COPY.
-- Slots: table, columns
-- Called by: mrl_pg.load.job
copy {table} ({columns})
from stdin
with (format binary)
