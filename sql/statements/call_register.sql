-- Writes a short column into the registry.
-- Slots: table, column, short, index (literals), dims, kind, distance
-- Called by: mrl_pg.alembic.carry_out
select mrl.register(
    {table}::pg_catalog.regclass,
    {column},
    {short},
    {index},
    {dims},
    {kind},
    {distance}
)
