-- Drops the index of the short column.
-- Slots: index (schema-qualified)
-- Called by: mrl_pg.build
drop index if exists {index}
