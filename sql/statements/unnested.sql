-- Values of one column out of an array, as the type that the column has.
-- Slots: array (a parameter), carrier and type (names)
-- Called by: mrl_pg.load.job, within insert_rows
pg_catalog.unnest({array}::{carrier}[])::{type}
