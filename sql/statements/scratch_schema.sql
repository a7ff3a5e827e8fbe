-- A schema to try indexes in; it goes with the transaction that makes it.
-- Slots: schema
-- Called by: mrl_pg.tune.scratch
create schema {schema}
