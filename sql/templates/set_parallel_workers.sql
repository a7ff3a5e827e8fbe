-- Lets an index over an expression on stored-away values build in parallel.
-- Slots: table, workers
-- Called by: mrl_pg.recall.single_pass
alter table {table}
    set (parallel_workers = {workers})
