-- Removes what an earlier demo left: its table and, with it, all indexes.
-- No parameters
-- Called by: mrl_pg.demo.dictionary
drop table if exists mrl_demo.glosses
