-- Makes the table that a file is loaded into.
-- Slots: table, columns (definitions), key (a name)
-- Called by: mrl_pg.load.target
create table {table} (
    {columns},
    primary key ({key})
)
