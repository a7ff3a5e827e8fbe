-- A table for a copy of sampled rows, to try indexes on.
-- Slots: table, type (of the full column)
-- Called by: mrl_pg.tune.scratch
create unlogged table {table} (
    id bigint generated always as identity primary key,
    embedding {type}
)
