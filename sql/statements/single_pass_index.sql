-- An HNSW index over full vectors, to compare with; not part of an installation.
-- Slots: index, table, value (the column or its cast), extension, operator_class, m, …
-- Called by: mrl_pg.recall.single_pass
create index {index}
on {table}
using hnsw ({value} {extension}{operator_class})
with (m = {m}, ef_construction = {ef_construction})
