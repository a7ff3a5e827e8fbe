-- Has the server give a table a short column and its index, and register them.
-- Slots: table, column, short, index (literals), dims, kind, distance, m, ef_construction
-- Called by: mrl_pg.alembic.carry_out, mrl_pg.sqlalchemy.create
select mrl.create_index(
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
