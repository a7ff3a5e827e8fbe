-- Keeps a column's values in the row and its other ones beside them, from the rewrite on.
-- Slots: table, column
-- Called by: mrl_pg.tune.storage, which prints it
alter table {table} alter column {column} set storage plain; alter table {table} set (toast_tuple_target = 8160)
