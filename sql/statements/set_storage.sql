-- Says where the server keeps the values of a column; for rows yet to come.
-- Slots: table, column, storage (plain, external, extended or main)
-- Called by: mrl_pg.load.target, on a table just made
alter table {table}
    alter column {column} set storage {storage}
