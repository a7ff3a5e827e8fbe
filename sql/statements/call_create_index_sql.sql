-- The statements that make what is missing of a short column and its index, one a row.
-- Slots: table, column, short, index (literals), dims, kind, distance, m, ef_construction
-- Called by: mrl_pg.alembic.carry_out
select mrl.create_index_sql(
    {table}::pg_catalog.regclass,
    {column},
    dims => {dims},
    kind => {kind},
    distance => {distance},
    m => {m},
    ef_construction => {ef_construction},
    short_column => {short},
    index_name => {index}
)
