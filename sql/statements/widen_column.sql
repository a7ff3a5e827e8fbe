-- Makes a column of whole numbers one of wider numbers; rewrites the rows so far.
-- Slots: table, column, type
-- Called by: mrl_pg.load.job, on a table just made
alter table {table}
    alter column {column} type {type}
