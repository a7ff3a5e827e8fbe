-- Has the server drop a short column and its index; no row when it knows of none.
-- Slots: table, column, index (literals)
-- Called by: mrl_pg.alembic.carry_out
select mrl.drop_index(registry.table_id, registry.full_column, index_name => {index})
from mrl.registry as registry
where registry.table_id operator(pg_catalog.=) {table}::pg_catalog.regclass
    and registry.full_column operator(pg_catalog.=) {column}
    and registry.index_name operator(pg_catalog.=) {index}
