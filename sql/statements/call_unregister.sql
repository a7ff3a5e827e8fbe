-- Takes a short column out of the registry.
-- Slots: table, index (literals)
-- Called by: mrl_pg.alembic.carry_out
select mrl.unregister({table}::pg_catalog.regclass, {index})
