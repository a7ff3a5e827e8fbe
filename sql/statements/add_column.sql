-- Adds a column whose first value comes late in a file; rows so far have NULL.
-- Slots: table, column (a definition)
-- Called by: mrl_pg.load.job, on a table just made
alter table {table}
    add column {column}
