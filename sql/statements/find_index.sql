-- The index of a name on a table, wherever the search path leads; no row without it.
-- Slots: table, index (literals)
-- Called by: mrl_pg.alembic.carry_out, mrl_pg.alembic.known
select
    space.nspname::pg_catalog.text,
    class.relname::pg_catalog.text,
    class.relkind::pg_catalog.text,
    state.indisvalid and state.indisready as usable
from pg_catalog.pg_index as state
join pg_catalog.pg_class as class on class.oid operator(pg_catalog.=) state.indexrelid
join pg_catalog.pg_namespace as space on space.oid operator(pg_catalog.=) class.relnamespace
where state.indrelid operator(pg_catalog.=) {table}::pg_catalog.regclass
    and class.relname operator(pg_catalog.=) {index}
