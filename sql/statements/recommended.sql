-- The SQL that a recommendation is printed with: build the index, search with it.
-- Slots: table (text), name, column, dims, options, k, candidates, ef_search, index_name
-- Called by: mrl_pg.tune.commands
select mrl.create_index({table}, {column}, dims => {dims}{options});
select * from mrl.search(null::{name}, {column}, $1, k => {k}, candidates => {candidates}, ef_search => {ef_search}, index_name => {index_name});
