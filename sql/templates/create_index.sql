-- Builds the HNSW index of the short column; writes wait, reads go on.
-- Slots: index, table, short, extension, operator_class, m, ef_construction
-- Called by: mrl_pg.build
create index {index}
on {table}
using hnsw ({short} {extension}.{operator_class})
with (m = {m}, ef_construction = {ef_construction})
