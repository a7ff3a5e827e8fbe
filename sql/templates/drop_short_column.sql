-- Drops the short column; no rewrite, an ACCESS EXCLUSIVE lock for a moment.
-- Slots: table, short
-- Called by: mrl_pg.build
alter table {table}
    drop column if exists {short}
