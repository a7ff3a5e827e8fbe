-- Takes rows in the binary format of COPY.
-- Slots: table, columns
-- Called by: mrl_pg.load.target
copy {table} ({columns})
from stdin
with (format binary)
