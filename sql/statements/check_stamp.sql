-- The stamp of a table alone, when no row came that could have brought it.
-- Slots: stamp
-- Called by: mrl_pg.search.render
select ({stamp}) as stamp
