-- Adds the short column; rewrites the table under an ACCESS EXCLUSIVE lock.
-- Slots: table, short, type, value
-- Called by: mrl_pg.build
alter table {table}
    add column {short} {type} generated always as ({value}) stored,
    -- kept in the row, so that builds read it in one pass and in parallel
    alter column {short} set storage main
